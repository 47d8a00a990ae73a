//! What is said of a wrong command line: words that were typed stand in it, but do nothing to the terminal that shows them.

use clap::error::ContextValue;

/// Of what was typed, no more than this is repeated.
const REPEATED: usize = 200;

fn plain(text: &str) -> String {
    let begin: String = text.chars().take(REPEATED).collect();
    let rest = if begin.len() < text.len() { "…" } else { "" };
    begin.replace(char::is_control, "?") + rest
}

/// The same error; for each control character of what was typed it has a question mark, and the beginning of long words.
pub(crate) fn in_plain_text(mut error: clap::Error) -> clap::Error {
    let told: Vec<_> = error.context().map(|(kind, value)| (kind, value.clone())).collect();
    for (kind, value) in told {
        let value = match value {
            ContextValue::String(text) => ContextValue::String(plain(&text)),
            ContextValue::Strings(texts) => ContextValue::Strings(texts.iter().map(|text| plain(text)).collect()),
            // Advice, which repeats what was typed.
            ContextValue::StyledStrs(texts) => ContextValue::StyledStrs(
                texts
                    .into_iter()
                    .map(|text| {
                        let shown = text.to_string();
                        if shown.contains(char::is_control) || shown.chars().count() > REPEATED {
                            plain(&shown).into()
                        } else {
                            text
                        }
                    })
                    .collect(),
            ),
            // What clap itself has laid out.
            _ => continue,
        };
        error.insert(kind, value);
    }
    error
}
