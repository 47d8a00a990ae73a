//! What a server of another release means: a note where all went well, a hint where the difference explains a failure.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::header::HeaderMap;
use server::api::VERSION_HEADER;

use crate::exit::Failure;
use crate::output::Terminal;

/// This program's.
const OURS: &str = env!("CARGO_PKG_VERSION");

/// Codes of failures that a server answers with when it does not know what a newer client asks for, or no longer what an older one does.
const EXPLAINED: [&str; 5] = ["unknown_route", "method_not_allowed", "invalid_body", "invalid_query", "not_a_server"];

/// A server of another release: one whose major or minor number is another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    theirs: String,
    server_is_older: bool,
}

impl Difference {
    /// What the server says of itself, if that is another release.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        Self::between(OURS, headers.get(VERSION_HEADER)?.to_str().ok()?)
    }

    fn between(ours: &str, theirs: &str) -> Option<Self> {
        let (our_release, their_release) = (release(ours)?, release(theirs)?);
        let server_is_older = their_release < our_release;
        (our_release != their_release).then(|| Self { theirs: theirs.to_owned(), server_is_older })
    }

    /// The failure, with a hint if this explains it.
    pub(super) fn explain(self, failure: Failure) -> Failure {
        if !EXPLAINED.contains(&failure.code.as_str()) {
            return failure;
        }
        let next = if self.server_is_older { "upgrade the server" } else { "upgrade this realmctl" };
        let message = format!(
            "{}\nThis realmctl is {OURS}, the server {}: that may be why; {next}, or use a realmctl of the server's version",
            failure.message, self.theirs
        );
        Failure { message, ..failure }
    }

    fn note(&self) -> String {
        let what = if self.server_is_older {
            "what the server does not know yet, it refuses"
        } else {
            "what the server does in addition is not shown"
        };
        format!("This realmctl is {OURS}, the server {}: {what}.", self.theirs)
    }
}

/// Says it once.
#[derive(Debug, Clone, Default)]
pub(super) struct Notes {
    said: Arc<AtomicBool>,
}

impl Notes {
    pub(super) fn of(&self, difference: Option<&Difference>, terminal: Option<&Terminal>) {
        if let (Some(difference), Some(terminal)) = (difference, terminal)
            && !self.said.swap(true, Ordering::Relaxed)
        {
            terminal.say(&difference.note());
        }
    }
}

/// Major and minor number. What is not a version is not compared, and not repeated either.
fn release(version: &str) -> Option<(u32, u32)> {
    if version.len() > 64 || !version.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let mut numbers = version.split(['.', '-', '+']).map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    #[test]
    fn releases_differ_by_their_first_two_numbers() {
        for same in ["0.1.0", "0.1.7", "0.1.0-rc.1", "0.1.0+abc"] {
            assert_eq!(Difference::between("0.1.0", same), None, "{same}");
        }
        for (theirs, older) in [("0.3.0", false), ("1.0.0", false), ("0.0.9", true), ("0.10.0", false)] {
            let found = Difference::between("0.1.0", theirs).expect(theirs);
            assert_eq!(found.server_is_older, older, "{theirs}");
        }
        for strange in ["", "x", "0", "0.x", "\u{1b}[31m.1", &"1".repeat(99)] {
            assert_eq!(Difference::between("0.1.0", strange), None, "{strange:?}");
        }
    }

    #[test]
    fn only_failures_that_a_release_explains_get_the_hint() {
        let newer = Difference { theirs: "0.3.0".to_owned(), server_is_older: false };
        let failure = |code: &str| Failure::new(Exit::Refused, code, "why");
        assert!(newer.clone().explain(failure("unknown_route")).message.contains("upgrade this realmctl"));
        assert_eq!(newer.explain(failure("unknown_realm")).message, "why");
    }
}
