//! What nobody mapped, and what is nobody's here, is as it was, byte for byte, whatever Entra says.

use super::grown;
use super::model::{Kind, Model};
use super::requests::Entra;
use crate::support::app::TestApp;
use crate::support::slapd::Flavor;
use crate::support::wait_until_equal;
use crate::support::workplace::Settings;

const REQUESTS: usize = 200;
/// After how many requests the directory is looked at.
const LOOK_AFTER: usize = 20;
/// Not on the attributes of everybody, and for the locks, which are not shown unless they are asked for.
const OPERATIONAL: [&str; 2] = ["entryUUID", "pwdAccountLockedTime"];

fn nothing_else_changes(seed: u64) {
    // No overlay changes anything beside the bridge.
    let app = TestApp::start_before(grown(Flavor::Plain), &Settings::default());
    let mut model = Model::of(app.slapd.tree(&OPERATIONAL));
    let mut entra = Entra::before(&app, seed);
    for number in 1..=REQUESTS {
        entra.say_something(&mut model);
        if number % LOOK_AFTER == 0 {
            let what = format!("seed {seed}, after {number} requests, of which the last were\n{}", entra.last_words());
            wait_until_equal(&what, "", || model.differences(app.slapd.tree(&OPERATIONAL)));
        }
    }
    let adopted = (model.adopted(Kind::User), model.adopted(Kind::Group));
    assert!(adopted.0 > 5 && adopted.1 > 5, "seed {seed} makes a poor story: {adopted:?} were adopted");
}

#[test]
fn what_nobody_mapped_is_as_it_was_after_anything() {
    for seed in [1, 2] {
        nothing_else_changes(seed);
    }
}

#[test]
fn what_is_nobodys_here_is_as_it_was_after_anything() {
    for seed in [3, 4] {
        nothing_else_changes(seed);
    }
}
