//! The seeds of the fuzz targets, replayed, and inputs so large that what takes quadratic time does not come to an end.
//!
//! No fuzzing: `make fuzz` does that, and what it finds becomes a seed in `fuzz/corpus`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    unreachable_pub,
    missing_docs,
    reason = "a test that meets the unexpected ends there, and says so"
)]

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

mod large;
#[path = "../../fuzz/targets.rs"]
mod targets;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn every_seed_still_holds() {
    let mut failed = Vec::new();
    for (target, run) in targets::TARGETS {
        let folder = fuzz().join("corpus").join(target);
        let seeds = names(&folder);
        assert!(seeds.len() >= 20, "{target} has only {} seeds", seeds.len());
        for seed in seeds {
            let input = fs::read_to_string(folder.join(&seed)).expect("a seed is a text");
            if catch_unwind(|| run(&input)).is_err() {
                eprintln!("^ that was {target}/{seed}\n");
                failed.push(format!("{target}/{seed}"));
            }
        }
    }
    assert!(failed.is_empty(), "these seeds of fuzz/corpus failed: {failed:#?}");
}

#[test]
fn every_target_is_fuzzed_and_has_seeds() {
    let mut expected: Vec<String> = targets::TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    expected.sort();
    assert_eq!(names(&fuzz().join("corpus")), expected);
    let programs: Vec<String> = expected.iter().map(|name| format!("{name}.rs")).collect();
    assert_eq!(names(&fuzz().join("fuzz_targets")), programs);
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).expect("the manifest");
    for (name, program) in expected.iter().zip(&programs) {
        let entry = format!("[[bin]]\nname = \"{name}\"\npath = \"fuzz_targets/{program}\"\n");
        assert!(manifest.contains(&entry), "{name} is not in fuzz/Cargo.toml");
    }
}
