//! Arrows between crates: each top folder uses only folders below it.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use crate::root;

/// From the top down. What stands in one row knows nothing of each other, but for the crates of one folder.
const FLOORS: [&[&str]; 7] = [
    &["tests"],
    &["cli"],
    &["benches"],
    &["server"],
    &["workflows"],
    &["workers", "orchestrator"],
    &["testkit", "model"],
];

/// Within `orchestrator` and `benches`: (crate, what it may use of its own folder).
const WITHIN: [(&str, &[&str]); 7] = [
    ("store", &[]),
    ("engine", &["store"]),
    ("catalogue", &["store"]),
    ("bench-api", &["bench-engine"]),
    ("bench-engine", &[]),
    ("bench-stores", &["bench-engine"]),
    ("bench-catalogue", &["bench-engine"]),
];

/// What a production crate may not use: it is for tests, benchmarks and the playground.
const PLAYGROUND: &str = "testkit";

#[derive(Debug)]
struct Crate {
    name: String,
    folder: String,
    /// Of ours, but for those that only tests use.
    uses: BTreeSet<String>,
}

fn crates() -> BTreeMap<String, Crate> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let said = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let metadata: Value = serde_json::from_slice(&said.stdout).expect("JSON");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let base = text(&metadata["workspace_root"]) + "/";
    let of = |package: &Value| {
        let uses = package["dependencies"].as_array().into_iter().flatten();
        let uses = uses.filter(|used| used["path"].is_string() && used["kind"].is_null());
        let manifest = text(&package["manifest_path"]);
        let folder = manifest.strip_prefix(&base).and_then(|path| path.split('/').next()).unwrap_or_default();
        let (name, folder) = (text(&package["name"]), folder.to_owned());
        Crate { name, folder, uses: uses.map(|used| text(&used["name"])).collect() }
    };
    let packages = metadata["packages"].as_array().into_iter().flatten();
    packages.map(of).map(|found| (found.name.clone(), found)).collect()
}

fn floor(folder: &str) -> usize {
    FLOORS.iter().position(|floor| floor.contains(&folder)).unwrap_or_else(|| panic!("{folder} is on no floor"))
}

/// The arrows that point up or across, in words.
fn wrong(crates: &BTreeMap<String, Crate>) -> Vec<String> {
    let mut wrong = Vec::new();
    for one in crates.values() {
        for used in &one.uses {
            let other = &crates[used];
            let allowed = if one.folder == other.folder {
                WITHIN.iter().any(|(name, uses)| *name == one.name && uses.contains(&used.as_str()))
            } else if used == PLAYGROUND {
                ["cli", "benches", "tests"].contains(&one.folder.as_str())
            } else {
                floor(&one.folder) < floor(&other.folder)
            };
            if !allowed {
                wrong.push(format!("{} ({}) uses {used} ({})", one.name, one.folder, other.folder));
            }
        }
    }
    wrong
}

#[test]
fn no_arrow_between_crates_points_up() {
    let crates = crates();
    assert!(crates.len() > 10, "{crates:?}");
    assert_eq!(wrong(&crates), Vec::<String>::new());
}

#[test]
fn an_arrow_that_points_up_is_found() {
    let mut crates = crates();
    for (from, to) in
        [("workers", "engine"), ("workflows", "server"), ("engine", "catalogue"), ("workflows", "testkit")]
    {
        crates.get_mut(from).expect("a crate").uses.insert(to.to_owned());
        let found = wrong(&crates);
        assert!(found.len() == 1 && found[0].starts_with(&format!("{from} ")), "{found:?}");
        crates.get_mut(from).expect("a crate").uses.remove(to);
    }
}
