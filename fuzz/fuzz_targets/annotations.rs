//! Annotations of an Ingress and a Service.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| adit::fuzzing::annotations(data));
