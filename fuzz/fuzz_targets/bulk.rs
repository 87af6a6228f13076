//! Bulk requests, carried out with made-up outcomes.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &str| scimbridge_fuzz::bulk(input));
