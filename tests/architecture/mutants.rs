//! Planted bugs (`testkit/mutants`) are edits of files that others change: each has to find its place.

use std::process::Command;

use crate::{read, root};

#[test]
fn every_planted_bug_changes_something() {
    let mut edits = 0;
    for entry in std::fs::read_dir(root().join("testkit/mutants")).expect("a folder").flatten() {
        let file = entry.path();
        if file.extension().is_none_or(|extension| extension != "edits") {
            continue;
        }
        for line in read(&file).lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (path, edit) = line.split_once('\t').unwrap_or_else(|| panic!("{}: {line}", file.display()));
            let before = read(&root().join(path));
            let edited = Command::new("sed").args(["-E", edit]).arg(root().join(path)).output().expect("sed runs");
            assert!(edited.status.success(), "{}: {line}: {}", file.display(), String::from_utf8_lossy(&edited.stderr));
            assert_ne!(before.as_bytes(), edited.stdout, "{}: an edit changes nothing: {line}", file.display());
            edits += 1;
        }
    }
    assert!(edits > 20, "{edits}");
}
