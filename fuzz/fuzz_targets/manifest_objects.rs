//! Objects of the right form with anything in them.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| adit::fuzzing::objects(data));
