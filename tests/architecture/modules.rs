//! Arrows between the files of a crate: no circles, but for a module and its own children; and where a crate's root lists its modules
//! from the ground up, each uses only those above it in the list.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::{read, root};

const CRATES: [&str; 13] = [
    "orchestrator/store",
    "orchestrator/engine",
    "orchestrator/catalogue",
    "workers",
    "workflows",
    "server",
    "cli",
    "benches/api",
    "benches/engine",
    "benches/stores",
    "benches/catalogue",
    "testkit",
    "model",
];

/// Says in a crate's root that its list is in order.
const IN_ORDER: &str = "// Each module uses only modules that stand above it here";

/// Circles that stand. This list may only shrink.
const CIRCLES: [(&str, &[&str]); 1] = [
    // A removal queues its recheck, and a recheck that finds something reopens its removal: each names the other's type.
    ("workflows", &["removal::recheck", "removal::state_machine"]),
];

/// Module paths of a crate, such as `realm_move::states::drain`, with those that each uses.
type Graph = BTreeMap<String, BTreeSet<String>>;

fn modules_below(folder: &Path, prefix: &str, found: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if path.is_dir() {
            modules_below(&path, &join(prefix, &name), found);
        } else if let Some(name) = name.strip_suffix(".rs") {
            let module = match name {
                "lib" | "main" if prefix.is_empty() => String::new(),
                "mod" => prefix.to_owned(),
                "tests" => continue,
                name => join(prefix, name),
            };
            found.insert(module, read(&path));
        }
    }
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}::{name}") }
}

fn parent(module: &str) -> &str {
    module.rsplit_once("::").map_or("", |(parent, _)| parent)
}

/// The paths that a text uses, from `crate` on, with the braces of `use` taken apart. Its own tests do not count.
fn paths_in(text: &str, module: &str) -> BTreeSet<String> {
    let text = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default();
    let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    let code = code.collect::<Vec<_>>().join(" ");
    let mut found = BTreeSet::new();
    for (start, word) in ["crate::", "super::"].iter().flat_map(|word| code.match_indices(word)) {
        let before = code[..start].chars().next_back();
        if before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_' || letter == ':' || letter == '$') {
            continue;
        }
        let (mut at, mut rest) = (module, &code[start..]);
        if word == "crate::" {
            (at, rest) = ("", &rest["crate::".len()..]);
        }
        while let Some(shorter) = rest.strip_prefix("super::") {
            (at, rest) = (parent(at), shorter);
        }
        take_apart(at, rest, &mut found);
    }
    found
}

/// `a::{b, c::{d}}` is `a::b` and `a::c::d`. Returns what follows.
fn take_apart<'a>(prefix: &str, text: &'a str, found: &mut BTreeSet<String>) -> &'a str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = take_apart(prefix, rest, found).trim_start();
            match rest.strip_prefix(',') {
                Some(next) => rest = next,
                None => return rest.strip_prefix('}').unwrap_or(rest),
            }
        }
    }
    let end = text.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let path = if name.is_empty() || name == "self" { prefix.to_owned() } else { join(prefix, name) };
    match rest.strip_prefix("::") {
        Some(rest) if !name.is_empty() => take_apart(&path, rest, found),
        _ => {
            found.insert(path);
            // What it is renamed to is no path.
            rest.trim_start().strip_prefix("as ").map_or(rest, |rest| {
                let rest = rest.trim_start();
                rest.trim_start_matches(|letter: char| letter.is_alphanumeric() || letter == '_')
            })
        }
    }
}

fn graph(texts: &BTreeMap<String, String>) -> Graph {
    let module_of = |path: &str| {
        let mut path = path;
        while !texts.contains_key(path) && !path.is_empty() {
            path = parent(path);
        }
        path.to_owned()
    };
    let uses = |(module, text): (&String, &String)| {
        let used = paths_in(text, module).into_iter().map(|path| module_of(&path)).filter(|used| used != module);
        (module.clone(), used.collect())
    };
    texts.iter().map(uses).collect()
}

fn is_within(module: &str, ancestor: &str) -> bool {
    ancestor.is_empty() || module == ancestor || module.starts_with(&format!("{ancestor}::"))
}

/// Everything that can be reached from a module without going from a module to its own parent or child.
fn reached(graph: &Graph, from: &str) -> BTreeSet<String> {
    let (mut found, mut todo) = (BTreeSet::new(), vec![from.to_owned()]);
    while let Some(module) = todo.pop() {
        for used in graph.get(&module).into_iter().flatten() {
            if !is_within(used, &module) && !is_within(&module, used) && found.insert(used.clone()) {
                todo.push(used.clone());
            }
        }
    }
    found
}

/// The modules that can be reached from themselves.
fn in_circles(graph: &Graph) -> Vec<&String> {
    graph.keys().filter(|module| reached(graph, module).contains(*module)).collect()
}

/// What uses something that stands below it in the list, if there is a list.
fn out_of_order(texts: &BTreeMap<String, String>, graph: &Graph) -> Vec<String> {
    let root = &texts[""];
    let Some((_, list)) = root.split_once(IN_ORDER) else { return Vec::new() };
    let declared = list.lines().filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod "));
    let order: Vec<&str> = declared.filter_map(|name| name.strip_suffix(';')).collect();
    let place = |module: &str| {
        let top = module.split("::").next().unwrap_or_default();
        order.iter().position(|name| *name == top)
    };
    let arrows = graph.iter().flat_map(|(module, uses)| uses.iter().map(move |used| (module, used)));
    let wrong = arrows.filter(|(module, used)| place(module).zip(place(used)).is_some_and(|(of, used)| used > of));
    wrong.map(|(module, used)| format!("{module} uses {used}")).collect()
}

fn texts_of(name: &str) -> BTreeMap<String, String> {
    let mut texts = BTreeMap::new();
    modules_below(&root().join(name).join("src"), "", &mut texts);
    texts
}

#[test]
fn no_file_is_in_a_circle() {
    for name in CRATES {
        let graph = graph(&texts_of(name));
        assert!(!graph.is_empty());
        let known = CIRCLES.iter().find(|(of, _)| *of == name).map_or(&[][..], |(_, modules)| *modules);
        assert_eq!(in_circles(&graph), known, "in {name}");
    }
}

#[test]
fn modules_use_only_those_above_them_where_their_list_says_so() {
    let mut lists = 0;
    for name in CRATES {
        let texts = texts_of(name);
        lists += usize::from(texts[""].contains(IN_ORDER));
        assert_eq!(out_of_order(&texts, &graph(&texts)), Vec::<String>::new(), "in {name}");
    }
    assert!(lists > 0);
}

#[test]
fn circles_and_arrows_that_point_up_are_found() {
    let texts =
        |files: &[(&str, &str)]| files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let lists = format!("{IN_ORDER}\nmod a;\npub mod b;\n");
    let fine: BTreeMap<_, _> = texts(&[
        ("", &lists),
        ("a", "mod c;\nuse c::X;\n#[cfg(test)]\nmod tests { use crate::b::Y; }"),
        ("a::c", "use super::Z;"),
        ("b", "use crate::{a::c::{self, X}, a::Z as B};"),
    ]);
    assert_eq!(in_circles(&graph(&fine)), Vec::<&String>::new());
    assert_eq!(out_of_order(&fine, &graph(&fine)), Vec::<String>::new());
    let mut up = fine.clone();
    up.insert("a::c".to_owned(), "fn f() { super::super::b::g() }".to_owned());
    assert_eq!(out_of_order(&up, &graph(&up)), ["a::c uses b"]);
    assert_eq!(in_circles(&graph(&up)), ["a::c", "b"]);
}
