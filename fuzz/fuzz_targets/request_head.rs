//! Heads of requests.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| adit::fuzzing::request_head(data));
