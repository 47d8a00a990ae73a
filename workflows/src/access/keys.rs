//! The keys under which secrets are hashed. They come from a file and never reach the catalogue: whoever can write to the database
//! can't make a token by it.

use std::fmt;

/// Fewer could be guessed.
const LEAST: usize = 16;

/// All keys that this process knows.
#[derive(Clone, Default)]
pub struct TokenKeys(Vec<TokenKey>);

/// One of them.
#[derive(Clone)]
pub(super) struct TokenKey {
    /// Stands beside the hashes that were made with it.
    pub(super) name: String,
    key: [u8; 32],
    /// For what browsers keep for us.
    pub(super) sealing: [u8; 32],
}

/// The file does not hold keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTokenKeys {
    /// No line has a key.
    #[error("there is no key in it: write a line of random text, for example with `head -c 32 /dev/urandom | base64`")]
    Empty,
    /// A line is too short.
    #[error("line {0} is shorter than {LEAST} characters, which could be guessed")]
    Short(usize),
}

impl TokenKeys {
    /// Reads the lines of a file: a key each, the newest first; empty lines and `#` are remarks. Its text is never repeated.
    ///
    /// # Errors
    /// Without a key, or with one that could be guessed.
    pub fn parse(text: &str) -> Result<Self, InvalidTokenKeys> {
        let mut keys = Vec::new();
        for (number, line) in text.lines().enumerate().map(|(index, line)| (index + 1, line.trim())) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if line.len() < LEAST {
                return Err(InvalidTokenKeys::Short(number));
            }
            keys.push(TokenKey::of(line));
        }
        if keys.is_empty() { Err(InvalidTokenKeys::Empty) } else { Ok(Self(keys)) }
    }

    /// Whether there is any.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The one for new tokens.
    pub(super) fn newest(&self) -> Option<&TokenKey> {
        self.0.first()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &TokenKey> {
        self.0.iter()
    }

    pub(super) fn find(&self, name: &str) -> Option<&TokenKey> {
        self.0.iter().find(|key| key.name == name)
    }
}

impl TokenKey {
    fn of(text: &str) -> Self {
        let name = blake3::derive_key("2026-11-30 realmctl, name of a token key", text.as_bytes());
        let key = blake3::derive_key("2026-11-30 realmctl, hashes of tokens", text.as_bytes());
        let sealing = blake3::derive_key("2026-12-01 realmctl, what browsers keep", text.as_bytes());
        Self { name: blake3::Hash::from_bytes(name).to_hex()[..8].to_owned(), key, sealing }
    }

    /// The hash of a secret, and of what its bearer may do: a row with other rights does not fit its hash. Comparing it takes as long for a
    /// near miss as for any other.
    pub(super) fn hash(&self, secret: &str, rights: &[&str]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        for part in std::iter::once(&secret).chain(rights) {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        hasher.finalize()
    }
}

impl fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.iter().map(|key| key.name.as_str()).collect();
        write!(f, "TokenKeys({})", names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_keys_is_read_and_never_repeated() {
        let keys = TokenKeys::parse("# the newest\nan-example-key-of-2026\n\n  another-key-of-2025  \n").expect("keys");
        assert_eq!(keys.0.len(), 2);
        assert!(!format!("{keys:?}").contains("example"));
        let newest = keys.newest().expect("a key");
        assert_eq!(keys.find(&newest.name).map(|key| key.key), Some(newest.key));
        assert_eq!(
            TokenKeys::parse("an-example-key-of-2026").expect("a key").newest().map(|key| &key.name),
            Some(&newest.name)
        );
        assert_ne!(newest.hash("a", &[]), newest.hash("b", &[]));
        assert_ne!(newest.hash("a", &[]), keys.0[1].hash("a", &[]));
        assert_ne!(newest.hash("a", &["viewer", "x"]), newest.hash("a", &["viewerx", ""]));
    }

    #[test]
    fn what_could_be_guessed_is_no_key() {
        assert_eq!(TokenKeys::parse("\n# none\n").err(), Some(InvalidTokenKeys::Empty));
        let error = TokenKeys::parse("an-example-key-of-2026\nshort").expect_err("refused");
        assert_eq!(error, InvalidTokenKeys::Short(2));
        assert!(!error.to_string().contains("short "));
    }
}
