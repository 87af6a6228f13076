//! Paging, cursors and the order of lists.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &str| scimbridge_fuzz::list(input));
