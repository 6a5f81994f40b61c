//! Any bytes, run as a script against a session and its reference.
#![no_main]

#[path = "../../tests/support/mod.rs"]
mod support;

libfuzzer_sys::fuzz_target!(|script: &[u8]| support::script::fuzz_one(script));
