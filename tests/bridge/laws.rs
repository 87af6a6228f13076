//! What holds whatever Entra says and in whichever order: laws, tried with random requests on a directory that has grown
//! by hand. A law that is broken names the seed that broke it.

mod case;
mod drift;
mod members;
mod model;
mod reconciled;
mod requests;
mod restored;
mod untouched;
mod wanted;

use std::fs;

use crate::support::slapd::{Flavor, Slapd, project};

/// The password of everybody in the grown directory whose password can be known.
const PASSWORD: &str = "Correct-Horse-1";

/// A directory with fifteen years of hand-made entries in it; see the file.
fn grown(flavor: Flavor) -> Slapd {
    let slapd = Slapd::start(flavor);
    let path = project().join("tests/fixtures/directories/grown.ldif");
    slapd.by_hand(&fs::read_to_string(path).expect("the grown directory"));
    slapd
}
