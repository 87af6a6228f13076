//! Filters, rewritten and parsed.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &str| scimbridge_fuzz::filter(input));
