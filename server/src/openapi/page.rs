//! `docs/api.md`, made from the document and from what is written by hand beside this file. To make it anew:
//! `REALMCTL_UPDATE_API=1 cargo test -p server --lib openapi`.

mod codes;
mod examples;
mod samples;
mod types;

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use super::DOCUMENT;
use crate::permissions::{Rule, TABLE};

/// What stands above the operations, and below the types.
const INTRODUCTION: &str = include_str!("page/introduction.md.in");
const REST: &str = include_str!("page/rest.md.in");

/// The chapters of operations: heading, and the first part of their paths below `/v1`.
const CHAPTERS: [(&str, &[&str]); 11] = [
    ("Tenants", &["tenants"]),
    ("Moves", &["moves"]),
    ("Removals", &["removals"]),
    ("Campaigns", &["campaigns"]),
    ("Topology", &["topology"]),
    ("Pauses and limits", &["pause", "resume", "pauses", "limits"]),
    ("Status and audit trail", &["status", "workers", "explain", "ids", "audit"]),
    ("Approvals", &["approvals", "approval-policy"]),
    ("Webhooks", &["webhooks"]),
    ("Tokens", &["tokens"]),
    ("Sessions", &["session", "sessions"]),
];

fn page(document: &Value) -> String {
    let mut page = format!("{}\n## Operations\n", INTRODUCTION.trim_end());
    page.push_str("| operation | does | roles |\n| --- | --- | --- |\n");
    for (_, rule) in rules() {
        let operation = operation(document, rule);
        let (id, summary) = (text(operation, "operationId"), text(operation, "summary"));
        writeln!(page, "| [`{} {}`](#{id}) | {summary} | {} |", rule.method, rule.path, roles(rule))
            .expect("a String takes everything");
    }
    let mut chapter = "";
    for (heading, rule) in rules() {
        if heading != chapter {
            chapter = heading;
            write!(page, "\n### {heading}\n").expect("a String takes everything");
        }
        page.push_str(&described(document, rule));
    }
    page.push_str(&types::all(document));
    page.push('\n');
    page.push_str(REST);
    page
}

/// Every route, with its chapter.
fn rules() -> Vec<(&'static str, &'static Rule)> {
    let of = |first: &'static [&'static str]| {
        TABLE.iter().filter(move |rule| rule.path.split('/').nth(2).is_some_and(|part| first.contains(&part)))
    };
    CHAPTERS.iter().flat_map(|(heading, first)| of(first).map(move |rule| (*heading, rule))).collect()
}

fn operation<'a>(document: &'a Value, rule: &Rule) -> &'a Value {
    &document["paths"][rule.path][rule.method.as_str().to_lowercase()]
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn roles(rule: &Rule) -> String {
    let roles: Vec<&str> = rule.roles.iter().map(|role| role.as_str()).collect();
    if roles.len() == workflows::access::Role::ALL.len() { "all".to_owned() } else { roles.join(", ") }
}

fn described(document: &Value, rule: &Rule) -> String {
    let operation = operation(document, rule);
    let id = text(operation, "operationId");
    let mut told = format!("\n#### {id}\n`{} {}`: {}.\n\n", rule.method, rule.path, text(operation, "summary"));
    let told_roles = roles(rule);
    writeln!(told, "- Roles: {told_roles}.").expect("a String takes everything");
    for parameter in operation["parameters"].as_array().into_iter().flatten().filter(|one| is_its_own(one)) {
        let required = if parameter["required"] == true { "required, " } else { "" };
        let what = types::joined(text(parameter, "description"));
        let place = text(parameter, "in");
        let kind = types::kind(&parameter["schema"]);
        writeln!(told, "- `{}` ({place}, {required}{kind}): {what}", text(parameter, "name"))
            .expect("a String takes everything");
    }
    if let Some(content) = operation["requestBody"]["content"].as_object() {
        let kinds: Vec<String> = content.iter().map(|(media, body)| body_of(media, &body["schema"])).collect();
        writeln!(told, "- Body: {}.", kinds.join(" or ")).expect("a String takes everything");
    }
    for (status, answer) in operation["responses"].as_object().into_iter().flatten() {
        if status.starts_with('2') {
            let content = answer["content"].as_object().and_then(|content| content.iter().next());
            let of = content.map_or_else(String::new, |(media, body)| body_of(media, &body["schema"]));
            let what = text(answer, "description");
            writeln!(told, "- {status}: {what}{}{of}.", if of.is_empty() { "" } else { "; " })
                .expect("a String takes everything");
        }
    }
    let codes: Vec<String> = codes::of(id).iter().map(|code| format!("`{code}`")).collect();
    if !codes.is_empty() {
        writeln!(told, "- Problems: {}; [those of every request](#problems).", codes.join(", "))
            .expect("a String takes everything");
    }
    told.push_str(&examples::request(rule, operation));
    told
}

/// Those that every operation has are told above all of them.
fn is_its_own(parameter: &Value) -> bool {
    !(text(parameter, "name").eq_ignore_ascii_case(crate::api::USER_HEADER))
}

fn body_of(media: &str, schema: &Value) -> String {
    match media {
        "application/json" if schema.get("$ref").is_some() => types::kind(schema),
        media => format!("`{media}`"),
    }
}

#[test]
fn the_page_is_made_of_the_document() {
    let document: Value = serde_json::from_str(DOCUMENT.as_str()).expect("JSON");
    let page = page(&document);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/api.md");
    if std::env::var_os("REALMCTL_UPDATE_API").is_some() {
        std::fs::write(&file, &page).expect("the page can be written");
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        written == page,
        "docs/api.md is not what the document says: run `REALMCTL_UPDATE_API=1 cargo test -p server --lib openapi`"
    );
}

#[test]
fn every_operation_and_every_type_has_its_place() {
    let document: Value = serde_json::from_str(DOCUMENT.as_str()).expect("JSON");
    let page = page(&document);
    assert_eq!(rules().len(), TABLE.len(), "a chapter has each route, once");
    for rule in TABLE {
        let heading = format!("\n#### {}\n", text(operation(&document, rule), "operationId"));
        assert_eq!(page.matches(&heading).count(), 1, "{heading}");
    }
    for name in document["components"]["schemas"].as_object().expect("types").keys() {
        assert!(name.starts_with("PageOf") || page.contains(&format!("\n### {name}\n")), "{name}");
    }
}
