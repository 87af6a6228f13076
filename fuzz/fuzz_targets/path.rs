//! Paths, resolved and printed.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &str| scimbridge_fuzz::path(input));
