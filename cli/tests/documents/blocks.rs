//! The commands that a document shows, with the output that it shows below them.

use std::path::Path;

/// One command of a `console` block.
#[derive(Debug)]
pub(crate) struct Shown {
    /// The number of its line in the document.
    pub(crate) line: usize,
    /// As a shell takes it: continued lines joined, without the prompt.
    pub(crate) command: String,
    /// The lines below it, up to the next command.
    pub(crate) output: Vec<String>,
    /// The block of JSON that comes next, if one does: what the command is answered.
    pub(crate) json: Option<String>,
}

/// All of them in a document, in order.
pub(crate) fn of(document: &Path) -> Vec<Shown> {
    in_text(&std::fs::read_to_string(document).expect("the document can be read"))
}

fn in_text(text: &str) -> Vec<Shown> {
    let mut found: Vec<Shown> = Vec::new();
    let mut block: Option<(String, usize)> = None;
    let mut json = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        match (&block, line.trim_start().strip_prefix("```")) {
            (None, Some(kind)) => block = Some((kind.to_owned(), indent)),
            (Some((kind, _)), Some(_)) => {
                if kind == "json"
                    && let Some(last) = found.last_mut()
                {
                    last.json.get_or_insert(json.join("\n"));
                }
                json.clear();
                block = None;
            }
            (Some((kind, _)), None) if kind == "json" => json.push(line),
            (Some((kind, indent)), None) if kind == "console" => {
                take(line.get(*indent..).unwrap_or(""), number + 1, &mut found);
            }
            _ => {}
        }
    }
    found
}

fn take(line: &str, number: usize, found: &mut Vec<Shown>) {
    if let Some(command) = line.strip_prefix("$ ") {
        found.push(Shown { line: number, command: command.to_owned(), output: Vec::new(), json: None });
        return;
    }
    let last = found.last_mut().expect("a block begins with a command");
    match last.command.strip_suffix('\\') {
        Some(begun) if last.output.is_empty() => last.command = format!("{begun}{}", line.trim_start()),
        _ => last.output.push(line.to_owned()),
    }
}

#[test]
fn commands_are_found_with_their_output() {
    let found =
        in_text("a\n  ```console\n  $ b \\\n      c\n  d\n\n  $ e\n  ```\n```json\n{}\n```\n```yaml\n$ f\n```\n");
    let said: Vec<_> =
        found.iter().map(|shown| (shown.command.as_str(), shown.output.join("|"), shown.json.as_deref())).collect();
    assert_eq!(said, [("b c", "d|".to_owned(), None), ("e", String::new(), Some("{}"))]);
    assert_eq!(found[1].line, 7);
}
