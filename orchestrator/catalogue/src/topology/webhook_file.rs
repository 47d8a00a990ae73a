//! The operator's file of webhooks: who is told what, read like a topology file, with every mistake and its line.

use super::endpoint::problem_with_hooks;
use super::names::{is_plain_name, nearest};
use super::problem::Problem;
use super::read::{Reader, join};
use super::yaml_tree::{self, Node, Value};

/// Most webhooks of a file: each has a task of its own in every process.
pub const WEBHOOKS_MAX: usize = 20;

/// Longest name.
const NAME_MAX: usize = 40;

/// Stands for every type of event.
const ALL: &str = "all";

/// A webhook as the operator configured it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookSpec {
    /// Its name.
    pub name: String,
    /// Where it is called.
    pub url: String,
    /// The types of events that it is told of; none stands for all.
    pub events: Vec<String>,
    /// The name of the secret that signs, unless it is `default`.
    pub secret: Option<String>,
}

impl WebhookSpec {
    /// Reads a file. `known` are the types of events that there are.
    ///
    /// # Errors
    /// Every mistake in the file, in the order of its lines.
    pub fn parse_all(yaml: &str, known: &[&str]) -> Result<Vec<Self>, Vec<Problem>> {
        let root = yaml_tree::parse(yaml).map_err(|problem| vec![problem])?;
        let mut reader = Reader::default();
        let mut fields = reader.fields(&root, "", &["webhooks"]);
        let mut webhooks = Vec::new();
        if let Some(node) = reader.required(&mut fields, "webhooks") {
            for (key, value) in reader.map(node, "webhooks") {
                let path = join("webhooks", &key.value);
                if !is_plain_name(&key.value) || key.value.len() > NAME_MAX {
                    let reason = format!("the name must be up to {NAME_MAX} of a-z, 0-9 and -, not starting with -");
                    reader.unreadable(&path, reason);
                }
                webhooks.push(webhook(&mut reader, value, &path, (&key.value, known)));
            }
        }
        if webhooks.len() > WEBHOOKS_MAX {
            reader.unreadable("webhooks", format!("must be {WEBHOOKS_MAX} at most, and there are {}", webhooks.len()));
        }
        let problems = reader.finish();
        if problems.is_empty() { Ok(webhooks) } else { Err(problems) }
    }
}

fn webhook(reader: &mut Reader, node: &Node, path: &str, (name, known): (&str, &[&str])) -> WebhookSpec {
    let mut fields = reader.fields(node, path, &["url", "events", "secret"]);
    let url = reader.required_text(&mut fields, "url");
    let at = fields.path("url");
    if !reader.is_unreadable(&at)
        && let Some(problem) = problem_with_hooks(&url)
    {
        reader.unreadable(&at, problem);
    }
    let at = fields.path("events");
    let events = reader.required(&mut fields, "events");
    let events = events.map(|node| events_of(reader, node, &at, known)).unwrap_or_default();
    let secret = fields.take("secret").map(|node| reader.text(node, &fields.path("secret")));
    WebhookSpec { name: name.to_owned(), url, events, secret }
}

fn events_of(reader: &mut Reader, node: &Node, path: &str, known: &[&str]) -> Vec<String> {
    if matches!(&node.value, Value::Text(text) if text == ALL) {
        return Vec::new();
    }
    if let Value::Text(text) = &node.value {
        reader.unreadable(path, format!("must be `{ALL}` or a list of types, not `{text}`"));
        return Vec::new();
    }
    let mut events = Vec::new();
    for (path, node) in reader.list(Some(node), path) {
        let event = reader.text(node, &path);
        if reader.is_unreadable(&path) {
            continue;
        }
        if !known.contains(&event.as_str()) {
            let near = nearest(&event, known).map(|near| format!("did you mean {near}?"));
            let hint = near.unwrap_or_else(|| format!("known: {}", known.join(", ")));
            reader.unreadable(&path, format!("there is no event `{event}`; {hint}"));
        }
        events.push(event);
    }
    if events.is_empty() && !reader.is_unreadable(path) {
        reader.unreadable(path, format!("names no event: name one, or write `{ALL}`"));
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 2] = ["tenant.created", "move.failed"];

    #[test]
    fn a_file_says_who_is_told_what() {
        let yaml = "webhooks:\n  billing: { url: 'https://b.example/in', events: [move.failed], secret: billing }\n  \
                    local: { url: 'http://127.0.0.1:9/x', events: all }\n";
        let read = WebhookSpec::parse_all(yaml, &KNOWN).expect("a file");
        assert_eq!(read[0].events, ["move.failed"]);
        assert_eq!(read[0].secret.as_deref(), Some("billing"));
        assert_eq!((read[1].name.as_str(), read[1].events.len()), ("local", 0));
    }

    #[test]
    fn every_mistake_is_named_with_its_line() {
        let yaml = "webhooks:\n  a: { url: 'http://b.example/in', events: all }\n  b:\n    url: https://b.example\n    \
                    events: [move.fail]\n  c: { url: 'https://u:p@c.example', events: [] }\n  d: { events: some, sekret: x }\n";
        let problems = WebhookSpec::parse_all(yaml, &KNOWN).expect_err("mistakes");
        let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let wanted = [
            "line 2: webhooks.a.url: `http://b.example/in` must start with https://: plain http is for loopback only",
            "line 5: webhooks.b.events[0]: there is no event `move.fail`; did you mean move.failed?",
            "line 6: webhooks.c.url: a URL here must not carry credentials",
            "line 6: webhooks.c.events: names no event: name one, or write `all`",
            "line 7: webhooks.d.sekret: unknown field; did you mean secret?",
            "line 7: webhooks.d.url: is missing",
            "line 7: webhooks.d.events: must be `all` or a list of types, not `some`",
        ];
        for wanted in wanted {
            assert!(said.iter().any(|said| said == wanted), "{wanted}: {said:#?}");
        }
        assert_eq!(said.len(), wanted.len(), "{said:#?}");
    }
}
