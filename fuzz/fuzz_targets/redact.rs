//! What the log says of a refused PATCH.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &str| scimbridge_fuzz::redact(input));
