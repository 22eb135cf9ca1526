//! Lines of the access log.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| adit::fuzzing::line(data));
