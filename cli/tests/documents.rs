//! Every command that a document shows is run, and its output compared with what the document shows, in shape. Each page is gone
//! through from its first command to its last, against a playground or a server of its own.

mod common;
#[path = "documents/blocks.rs"]
mod blocks;
#[path = "documents/pages.rs"]
mod pages;
#[path = "documents/reader.rs"]
mod reader;
#[path = "documents/shape.rs"]
mod shape;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use pages::{Begins, NOT_RUN, PAGES};
use reader::Reader;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Runs the commands of a page.
fn follow(page: &str) {
    let (_, begins) = PAGES.iter().find(|(name, _)| *name == page).expect("the page is listed");
    let mut reader = Reader::new(page, *begins);
    for shown in blocks::of(&root().join(page)) {
        if !NOT_RUN.iter().any(|(begin, _)| shown.command.starts_with(begin)) {
            reader.run(&shown);
        }
    }
    reader.end();
}

macro_rules! pages {
    ($($name:ident: $page:literal),+ $(,)?) => {
        $(#[test]
        fn $name() {
            follow($page);
        })+

        /// The pages that the tests above follow.
        const FOLLOWED: &[&str] = &[$($page),+];
    };
}

pages! {
    the_readme: "README.md",
    limits: "docs/concepts/limits.md",
    deploy: "docs/guides/deploy.md",
    manage_access: "docs/guides/manage-access.md",
    move_a_tenant: "docs/guides/move-a-tenant.md",
    on_call: "docs/guides/on-call.md",
    onboard_a_service: "docs/guides/onboard-a-service.md",
    provision_tenants: "docs/guides/provision-tenants.md",
    run_a_campaign: "docs/guides/run-a-campaign.md",
    surroundings: "docs/surroundings.md",
}

/// No page with commands is forgotten, and none is listed in vain.
#[test]
fn every_page_with_commands_is_followed() {
    let mut with_commands = BTreeSet::new();
    for folder in ["", "docs", "docs/adr", "docs/concepts", "docs/guides", "docs/reference"] {
        for entry in std::fs::read_dir(root().join(folder)).expect("a folder").flatten() {
            let name = entry.file_name().into_string().expect("the name is UTF-8");
            let page = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            if page.ends_with(".md") && page != "CHANGELOG.md" && !blocks::of(&entry.path()).is_empty() {
                with_commands.insert(page);
            }
        }
    }
    let listed: BTreeSet<String> = PAGES.iter().map(|(page, _)| (*page).to_owned()).collect();
    assert_eq!(with_commands, listed);
    for (page, begins) in PAGES {
        let run = |shown: &blocks::Shown| !NOT_RUN.iter().any(|(begin, _)| shown.command.starts_with(begin));
        let any = blocks::of(&root().join(page)).iter().any(run);
        assert_eq!(any, FOLLOWED.contains(&page), "{page}");
        assert!(any || begins == Begins::Nothing, "{page}");
    }
}
