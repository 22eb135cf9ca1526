//! Bodies, in one piece and cut.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| adit::fuzzing::body(data));
