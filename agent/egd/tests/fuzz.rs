//! The fuzz target's entry on a stable compiler: the committed corpus, and a million scripts (fifty million in
//! `make soak`) from a generator that knows which bytes are interesting.

mod support;

use std::fs;
use std::path::Path;

use soak::{Rng, Run};
use support::script::fuzz_one;

/// A script of up to 24 steps. One byte of the peer's in 64 is anything at all.
fn generate(dice: &mut Rng, script: &mut Vec<u8>) {
    script.clear();
    for _ in 0..dice.below(24) {
        let size = *dice.pick(&[0_u8, 1, 2, 3, 5, 8, 16, 62, 63]);
        let act = *dice.pick(&[0_u8, 0, 0, 2, 2, 3]);
        script.push(size << 2 | act);
        for _ in 0..if act == 0 { size + 1 } else { 0 } {
            let anything = u8::try_from(dice.below(256)).expect("a byte");
            script.push(if dice.once_in(64) { anything } else { *dice.pick(&[0, 1, 2, 2, 2, 3, 4]) });
        }
    }
}

#[test]
fn the_corpus_agrees_with_the_reference() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/session");
    let mut scripts = 0;
    for file in fs::read_dir(corpus).expect("the corpus is committed") {
        let file = file.expect("a directory can be read to its end").path();
        println!("{}", file.display());
        fuzz_one(&fs::read(file).expect("a seed can be read"));
        scripts += 1;
    }
    assert!(scripts >= 10, "only {scripts} seeds");
}

#[test]
fn a_million_generated_scripts_agree_with_the_reference() {
    let run = Run::begin("egd-scripts", 1_000_000, 50_000_000);
    let mut dice = run.dice();
    let mut script = Vec::new();
    for _ in 0..run.count() {
        generate(&mut dice, &mut script);
        let outcome = std::panic::catch_unwind(|| fuzz_one(&script));
        assert!(outcome.is_ok(), "script {script:02x?}");
    }
}
