//! Manual pages: one for every command, and what they look like.

mod common;

use common::{commands_in, realmctl};

/// Every command, as the pages are named.
fn commands() -> Vec<String> {
    let mut found = vec!["realmctl".to_owned()];
    let mut open = vec![Vec::<String>::new()];
    while let Some(path) = open.pop() {
        let args: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
        for command in commands_in(&realmctl(&args).ends_with(0).stdout) {
            let path = [path.clone(), vec![command]].concat();
            found.push(format!("realmctl-{}", path.join("-")));
            open.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn every_command_has_a_page() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dir = folder.path().join("share/man1");
    let ran = realmctl(&["man", "--dir", dir.to_str().expect("UTF-8"), "--output", "json"]).ends_with(0);
    assert!(ran.stderr.contains("Wrote "), "{ran:#?}");
    let mut written = Vec::new();
    for entry in std::fs::read_dir(&dir).expect("the folder was made").flatten() {
        let name = entry.file_name().into_string().expect("UTF-8");
        let page = std::fs::read_to_string(entry.path()).expect("it can be read");
        assert!(page.contains(".SH NAME") && page.contains(".SH SYNOPSIS"), "{name}: {page}");
        assert!(page.contains(".SH EXAMPLES\n.nf\n"), "{name} has no examples: {page}");
        assert!(page.is_ascii(), "{name} can't be shown everywhere");
        assert!(page.lines().all(|line| !line.starts_with(".SH EXTRA")), "{name}");
        written.push(name.strip_suffix(".1").expect("section 1").to_owned());
    }
    written.sort();
    assert_eq!(written, commands());
    let files = ran.json()["files"].as_array().map(Vec::len);
    assert_eq!(files, Some(written.len()));
}

#[test]
fn examples_can_be_copied() {
    let main = realmctl(&["man"]).ends_with(0).stdout;
    assert!(main.starts_with(".ie") || main.starts_with(".TH"), "{main}");
    // A dash that is typed is no hyphen, and a line stays a line.
    assert!(
        main.contains("\n  realmctl move acme \\-\\-to eu \\-\\-dry\\-run       What would a move do?\n"),
        "{main}"
    );
    assert!(main.contains("REALMCTL_USER is your name in the audit trail"), "{main}");
    assert!(main.contains("\\fB\\-\\-profile\\fR") && main.contains("\\fBREALMCTL_PROFILE\\fR"), "{main}");
    assert!(main.contains("\n.SH SYNOPSIS\n.nf\nrealmctl [OPTIONS] <COMMAND>\n.fi\n"), "{main}");
    let denied = realmctl(&["man", "--dir", "/proc/nonexistent"]).ends_with(1);
    assert!(denied.stderr.contains("the pages can't be written to /proc/nonexistent"), "{denied:#?}");
}
