//! Heads of an endpoint's answers.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| adit::fuzzing::answer(data));
