//! Golden files of every `--help`, one a command, in `tests/help/`, and the page that is made of them, `docs/reference/cli.md`. To
//! accept new ones: `REALMCTL_UPDATE_HELP=1 cargo test -p realmctl --test help`.

mod common;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use common::{commands_in, realmctl};

/// Every command with its path, found by reading the helps themselves.
fn helps() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open = vec![Vec::<String>::new()];
    while let Some(path) = open.pop() {
        let mut args: Vec<&str> = path.iter().map(String::as_str).collect();
        args.push("--help");
        let help = realmctl(&args).ends_with(0).stdout;
        open.extend(commands_in(&help).into_iter().rev().map(|command| [path.clone(), vec![command]].concat()));
        let name = if path.is_empty() { "realmctl".to_owned() } else { path.join("_") };
        found.push((name, help));
    }
    found
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/help")
}

#[test]
fn every_help_is_as_recorded() {
    let update = std::env::var_os("REALMCTL_UPDATE_HELP").is_some();
    let helps = helps();
    assert!(helps.len() >= 20, "only {} commands were found", helps.len());
    let mut recorded = BTreeSet::new();
    for (name, help) in &helps {
        let file = folder().join(format!("{name}.txt"));
        // Editors and `git diff --check` mind spaces at the ends of lines; the recorded form has none.
        let help: String = help.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        if update {
            std::fs::write(&file, &help).expect("the golden file can be written");
        }
        let golden = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(golden == help, "{} differs from `realmctl {name} --help`:\n{help}", file.display());
        recorded.insert(file);
    }
    let files = std::fs::read_dir(folder()).expect("the folder is there").map(|entry| entry.expect("readable").path());
    for file in files {
        assert!(recorded.contains(&file), "{} belongs to no command any more", file.display());
    }
}

#[test]
fn every_help_has_examples_and_fits_80_columns() {
    for (name, help) in helps() {
        let examples = help.split("\nExamples:\n").nth(1).unwrap_or_default();
        assert!(examples.contains("  realmctl "), "{name} has no examples");
        let wide = help.lines().find(|line| line.chars().count() > 80);
        assert_eq!(wide, None, "{name}");
    }
}

/// Above the commands in `docs/reference/cli.md`.
const INTRODUCTION: &str = "# Command line

Every command with its options, as `--help` prints them. This page is made from those texts: edit them in
`cli/src/commands/`, then run `REALMCTL_UPDATE_HELP=1 cargo test -p realmctl --test help`.
";

/// The page that documents all commands.
fn reference(helps: &[(String, String)]) -> String {
    let command =
        |name: &str| if name == "realmctl" { name.to_owned() } else { format!("realmctl {}", name.replace('_', " ")) };
    let about = |help: &str| help.split("\n\n").next().unwrap_or_default().replace('\n', " ");
    let mut page = format!("{INTRODUCTION}\n| command | does |\n| --- | --- |\n");
    for (name, help) in helps {
        let anchor = command(name).replace(' ', "-");
        writeln!(page, "| [`{}`](#{anchor}) | {} |", command(name), about(help)).expect("a String takes everything");
    }
    for (name, help) in helps {
        // The same below every command: once is enough.
        let (own, rest) = help.split_once("\nGlobal options:\n").unwrap_or((help, ""));
        let examples =
            rest.split_once("\nExamples:\n").map_or(String::new(), |(_, examples)| format!("\nExamples:\n{examples}"));
        let shown = if name == "realmctl" { help.clone() } else { format!("{}\n{examples}", own.trim_end()) };
        let shown: String = shown.trim_end().lines().map(|line| format!("{}\n", line.trim_end())).collect();
        write!(page, "\n## {}\n```\n{shown}```\n", command(name)).expect("a String takes everything");
    }
    page
}

#[test]
fn the_reference_page_has_every_command() {
    let file = folder().join("../../../docs/reference/cli.md");
    let page = reference(&helps());
    if std::env::var_os("REALMCTL_UPDATE_HELP").is_some() {
        std::fs::write(&file, &page).expect("the page can be written");
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(written == page, "docs/reference/cli.md differs from the helps; how to make it anew stands at its top");
}
