//! Hosts of requests and of rules.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| adit::fuzzing::host(data));
