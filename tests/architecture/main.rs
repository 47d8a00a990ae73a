//! Which way the arrows point: between crates, between the modules of a crate, and between files. ARCHITECTURE.md shows it as a picture.

mod codes;
mod crates;
mod documents;
mod modules;
mod mutants;

use std::path::{Path, PathBuf};

/// The repository's own folder.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}
