//! Flags, variables and files of configuration.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| adit::fuzzing::settings(data));
