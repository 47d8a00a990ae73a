//! The secrets that sign requests to services: read from a file, never stored, never shown.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use ring::hmac;

/// The secret of services whose topology names none.
const DEFAULT: &str = "default";
/// A shorter secret could be guessed.
const LEAST_BYTES: usize = 16;

/// Secrets by name. `Debug` tells the names alone.
#[derive(Clone, Default)]
pub struct HookSecrets(Arc<BTreeMap<String, hmac::Key>>);

/// Why a file of secrets can't be used. Never tells what is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct SecretsError {
    /// The line.
    pub line: usize,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl HookSecrets {
    /// Reads `NAME=SECRET` lines. Empty lines and those that begin with `#` say nothing; blanks around a name and a secret do not
    /// count.
    ///
    /// # Errors
    /// The first line that is wrong.
    pub fn parse(text: &str) -> Result<Self, SecretsError> {
        let mut secrets = BTreeMap::new();
        let lines = text.lines().enumerate().map(|(number, line)| (number + 1, line.trim()));
        for (line, text) in lines.filter(|(_, text)| !text.is_empty() && !text.starts_with('#')) {
            let wrong = |reason| SecretsError { line, reason };
            let (name, secret) = text.split_once('=').ok_or_else(|| wrong("must be NAME=SECRET"))?;
            let (name, secret) = (name.trim(), secret.trim());
            let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            if name.is_empty() || name.starts_with('-') || !name.bytes().all(plain) {
                return Err(wrong("the name must be of a-z, 0-9 and -, not starting with -"));
            }
            if secret.len() < LEAST_BYTES {
                return Err(wrong("the secret must be at least 16 bytes long"));
            }
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
            if secrets.insert(name.to_owned(), key).is_some() {
                return Err(wrong("this name is here twice"));
            }
        }
        Ok(Self(Arc::new(secrets)))
    }

    /// Whether there is a secret of that name, or a default one.
    pub fn has(&self, name: Option<&str>) -> bool {
        self.named(name).is_ok()
    }

    /// The secret of that name, or the default one; `Err` with the name when there is none.
    pub(super) fn named<'a>(&'a self, name: Option<&'a str>) -> Result<&'a hmac::Key, &'a str> {
        let name = name.unwrap_or(DEFAULT);
        self.0.get(name).ok_or(name)
    }
}

impl fmt::Debug for HookSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_read_by_name_and_never_shown() {
        let text = "# ours\n\ndefault = 0123456789abcdef\neditor=a=secret=with=signs=in=it\n";
        let secrets = HookSecrets::parse(text).unwrap();
        assert_eq!(format!("{secrets:?}"), r#"{"default", "editor"}"#);
        assert!(secrets.named(None).is_ok() && secrets.named(Some("editor")).is_ok());
        assert_eq!(secrets.named(Some("wiki")).unwrap_err(), "wiki");
        assert_eq!(HookSecrets::default().named(None).unwrap_err(), "default");
    }

    #[test]
    fn a_wrong_line_is_named_without_its_text() {
        let wrong = |text: &str| HookSecrets::parse(text).unwrap_err().to_string();
        assert_eq!(wrong("\njust-a-secret-of-length"), "line 2: must be NAME=SECRET");
        assert_eq!(wrong("a=short"), "line 1: the secret must be at least 16 bytes long");
        assert!(wrong("My Key=0123456789abcdef").contains("the name must be"));
        assert!(wrong("a=0123456789abcdef\na=0123456789abcdeg").starts_with("line 2: this name is here twice"));
    }
}
