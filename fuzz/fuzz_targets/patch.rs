//! PATCH requests, read and applied.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &str| scimbridge_fuzz::patch(input));
