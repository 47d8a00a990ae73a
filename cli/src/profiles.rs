//! Profiles: servers that have a name, each with its token, in a file of this user alone. Which one is used when stands in
//! `connection`, how the file is kept in `file`.

mod connection;
mod file;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

pub(crate) use connection::{Connection, Given, connection};
pub(crate) use file::{change, place, read};

use crate::exit::Failure;
use reqwest::Url;

/// The form of the file that this version writes.
const VERSION: u32 = 1;

/// The longest name of a profile.
const NAME_MAX: usize = 64;

/// What the file holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profiles {
    /// The form of the file, so that a later version can have another one.
    #[serde(default = "version")]
    version: u32,
    /// The profile that commands use where nothing else is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) current: Option<String>,
    #[serde(default)]
    pub(crate) profiles: BTreeMap<String, Profile>,
}

/// A server, and what it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    pub(crate) server: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<Secret>,
}

/// A token. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Secret(String);

fn version() -> u32 {
    VERSION
}

impl Default for Profiles {
    fn default() -> Self {
        Self { version: VERSION, current: None, profiles: BTreeMap::new() }
    }
}

impl Profiles {
    /// The profile of this name.
    pub(crate) fn find(&self, name: &str) -> Result<&Profile, Failure> {
        self.profiles.get(name).ok_or_else(|| no_such(name))
    }
}

/// There is no profile of this name.
pub(crate) fn no_such(name: &str) -> Failure {
    Failure::refused(format!(
        "there is no profile {name}; `realmctl config list` lists them, `realmctl config set {name} --server URL` makes it"
    ))
}

impl Secret {
    /// What can be a token, as the server sees it.
    pub(crate) fn parse(text: &str) -> Result<Self, server::InvalidToken> {
        text.parse::<server::Token>().map(|token| Self(token.reveal().to_owned()))
    }

    /// The secret itself. Never print it.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A name that can be typed without quotes.
pub(crate) fn parse_name(text: &str) -> Result<String, String> {
    let fits = (1..=NAME_MAX).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.@".contains(c))
        && !text.starts_with('-');
    if fits {
        Ok(text.to_owned())
    } else {
        Err(format!("a profile's name is 1 to {NAME_MAX} letters, digits and - _ . @, and does not begin with -"))
    }
}

/// The address of a server as a profile keeps it.
pub(crate) fn parse_server(text: &str) -> Result<String, Failure> {
    let url = text.parse::<Url>().ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let url = url.ok_or_else(|| Failure::usage("--server must be a URL such as http://127.0.0.1:8642"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Failure::usage("--server: a profile keeps no name or password in a URL; give the address alone"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Failure::usage("--server: the address of a server ends before any ? or #"));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Whether both are addresses of one server: of the same scheme, host, port and path.
fn is_same_server(one: &str, other: &str) -> bool {
    let parts = |text: &str| {
        let url: Url = text.parse().ok()?;
        let path = url.path().trim_end_matches('/').to_owned();
        Some((url.scheme().to_owned(), url.host_str()?.to_owned(), url.port_or_known_default(), path))
    };
    parts(one).is_some_and(|parts_of_one| parts(other) == Some(parts_of_one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_can_be_typed() {
        for good in ["prod", "eu-1", "no", "1e3", "kim@eu.example", &"x".repeat(64)] {
            assert_eq!(parse_name(good).as_deref(), Ok(good));
        }
        for bad in ["", "-x", "a b", "a/b", "größe", "a\n", &"x".repeat(65)] {
            assert!(parse_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn one_server_has_several_spellings_and_others_are_others() {
        let one = "https://realms.example";
        for same in ["https://realms.example/", "HTTPS://Realms.Example:443", "https://kim@realms.example"] {
            assert!(is_same_server(one, same), "{same}");
        }
        for other in [
            "http://realms.example",
            "https://realms.example:8443",
            "https://realms.example/eu",
            "https://realms.example.evil",
            "https://realms.example@evil.example",
            "realms.example",
            "",
        ] {
            assert!(!is_same_server(one, other), "{other}");
        }
        assert!(!is_same_server("", ""), "what is no address is no server");
    }

    #[test]
    fn addresses_are_kept_without_secrets() {
        assert_eq!(parse_server("https://realms.example/").as_deref(), Ok("https://realms.example"));
        assert_eq!(parse_server("http://127.0.0.1:8642/eu/").as_deref(), Ok("http://127.0.0.1:8642/eu"));
        for bad in ["localhost:8642", "ftp://x", "https://kim:secret@x", "https://x/?token=1", "https://x/#a", ""] {
            let failure = parse_server(bad).expect_err(bad);
            assert!(!failure.message.contains("secret"), "{failure:?}");
        }
    }

    #[test]
    fn a_token_is_not_shown() {
        let token = Secret::parse("sesame").expect("a token");
        let profile = Profile { server: "http://x".to_owned(), token: Some(token) };
        assert!(!format!("{profile:?}").contains("sesame"));
    }
}
