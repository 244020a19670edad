//! Every target behind libFuzzer: `FUZZ_TARGET` says which, so that one build serves all.
#![no_main]

use std::sync::OnceLock;

static TARGET: OnceLock<String> = OnceLock::new();

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let target = TARGET.get_or_init(|| std::env::var("FUZZ_TARGET").expect("FUZZ_TARGET"));
    assert!(
        fuzz_targets::call(target, bytes),
        "no such target: {target}"
    );
});
