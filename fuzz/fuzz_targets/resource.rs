//! Bodies of POST and PUT.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &str| scimbridge_fuzz::resource(input));
