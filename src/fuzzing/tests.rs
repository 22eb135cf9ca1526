//! The corpora, replayed: what a fuzzer has found once is looked at with every build.

use std::fs;
use std::path::Path;

use super::*;

#[test]
fn every_input_of_the_corpora_is_taken() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, target) in TARGETS {
        let inputs: Vec<_> = fs::read_dir(root.join(name)).expect(name).collect();
        assert!(inputs.len() > 3, "the corpus of {name} is nearly empty");
        for input in inputs {
            let path = input.expect("an entry").path();
            let bytes = fs::read(&path).expect("a file");
            // So that a failure names its input.
            let result = std::panic::catch_unwind(|| target(&bytes));
            assert!(result.is_ok(), "{}", path.display());
        }
    }
}

#[test]
fn every_target_has_a_program_and_a_corpus() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let names = |folder: &str| {
        let mut names: Vec<_> = fs::read_dir(root.join(folder))
            .expect(folder)
            .map(|entry| entry.expect("an entry").path().file_stem().expect("a name").to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    };
    let targets: Vec<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names("fuzz_targets"), targets);
    assert_eq!(names("corpus"), targets);
}
