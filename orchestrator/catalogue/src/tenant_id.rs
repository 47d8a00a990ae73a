//! The two names of a tenant: its id, and the host its users type. Checked when made, so never checked again.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::topology::is_plain_name;

/// A tenant's id: 1 to 63 of `a-z`, `0-9` and `-`, not starting with `-`. Never reused.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TenantId(String);

/// The host name under which a tenant is reached: a DNS name in lower case, without a port or a trailing dot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Host(String);

/// The text is not a tenant id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a tenant id: 1 to 63 characters from a-z, 0-9 and -, not starting with -")]
pub struct InvalidTenantId(String);

/// The text is not a host name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a host name: labels of 1 to 63 letters, digits and inner hyphens joined by dots, at most 253 \
     characters, without a port, and not an IP address"
)]
pub struct InvalidHost(String);

/// The longest DNS name in text form (RFC 1035, section 2.3.4, less the length bytes at both ends).
const HOST_MAX: usize = 253;
const LABEL_MAX: usize = 63;
/// How much of a wrong text an error repeats.
const SHOWN_MAX: usize = 80;

impl TenantId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Host {
    /// The name as text, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TenantId {
    type Err = InvalidTenantId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if is_plain_name(text) { Ok(Self(text.to_owned())) } else { Err(InvalidTenantId(shown(text))) }
    }
}

impl FromStr for Host {
    type Err = InvalidHost;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = text.to_ascii_lowercase();
        let is_address = name.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
        if name.len() <= HOST_MAX && name.split('.').all(is_label) && !is_address {
            Ok(Self(name))
        } else {
            Err(InvalidHost(shown(text)))
        }
    }
}

fn is_label(label: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=LABEL_MAX).contains(&label.len())
        && label.bytes().all(inner)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_MAX).collect()
}

macro_rules! as_text {
    ($name:ident, $error:ident) => {
        impl TryFrom<String> for $name {
            type Error = $error;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

as_text!(TenantId, InvalidTenantId);
as_text!(Host, InvalidHost);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenant_ids_follow_the_rule() {
        for good in ["a", "0", "acme-1", &"a".repeat(63)] {
            assert_eq!(good.parse::<TenantId>().expect("valid").as_str(), good);
        }
        for bad in ["", "-a", "Acme", "a_b", "a b", "a#1", "é", &"a".repeat(64)] {
            let error = bad.parse::<TenantId>().expect_err(bad).to_string();
            assert!(error.contains("1 to 63 characters from a-z, 0-9 and -"), "{error}");
        }
    }

    #[test]
    fn hosts_are_lower_cased_dns_names_without_ports() {
        assert_eq!("Acme.Example.COM".parse::<Host>().expect("valid").as_str(), "acme.example.com");
        assert!(format!("{}.com", ["a".repeat(63).as_str(); 3].join(".")).parse::<Host>().is_ok());
        let long = ["a".repeat(63).as_str(); 4].join(".");
        for bad in ["", "a..b", "a.", ".a", "-a.b", "a-.b", "a:8080", "a_b.c", "127.0.0.1", "é.de", &long] {
            assert!(bad.parse::<Host>().is_err(), "{bad}");
        }
    }

    #[test]
    fn serde_checks_and_keeps_the_text() {
        let id: TenantId = serde_json::from_str("\"acme\"").expect("valid");
        assert_eq!(serde_json::to_string(&id).expect("text"), "\"acme\"");
        assert!(serde_json::from_str::<TenantId>("\"Acme\"").is_err());
        assert!(serde_json::from_str::<Host>("\"a b\"").is_err());
    }
}
