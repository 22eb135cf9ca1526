//! The PROXY protocol's headers.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| adit::fuzzing::proxy_header(data));
