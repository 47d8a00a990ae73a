//! Who asks, as requests tell it.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use server::api::USER_HEADER;

use crate::exit::Failure;

/// Who asks, for the audit trail: REALMCTL_USER, else the login name, else the name of the user that the process runs as. Not proof of
/// anything. One that can't be sent is refused, so that nobody else's name stands for it.
pub(super) fn who() -> Result<HeaderMap, Failure> {
    let names = ["REALMCTL_USER", "USER", "LOGNAME"];
    let mut named = names.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
    let named = named.find(|(_, value)| !value.to_string_lossy().trim().is_empty());
    let (from, name) = match named {
        Some((from, value)) => (from, value.to_string_lossy().into_owned()),
        None => ("the system", whoami::username().unwrap_or_default()),
    };
    let mut headers = HeaderMap::new();
    if name.is_empty() {
        return Ok(headers);
    }
    let value = HeaderValue::from_str(&name).ok().filter(|_| is_user(&name)).ok_or_else(|| no_user(from))?;
    if let Ok(header) = HeaderName::from_bytes(USER_HEADER.as_bytes()) {
        headers.insert(header, value);
    }
    Ok(headers)
}

fn is_user(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.chars().all(|c| c.is_ascii_graphic() || c == ' ')
}

/// The name itself is not repeated: it may hold anything.
fn no_user(from: &str) -> Failure {
    Failure::usage(match from {
        "REALMCTL_USER" => {
            "REALMCTL_USER must be 1 to 64 printable ASCII characters: it names you in the audit trail".to_owned()
        }
        from => format!(
            "the user name of {from} is not 1 to 64 printable ASCII characters, so it can't stand in the audit trail: set \
             REALMCTL_USER to one that is"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_have_printable_names() {
        for good in ["sam", "Ada Lovelace <ada@example.com>", &"x".repeat(64)] {
            assert!(is_user(good), "{good}");
        }
        for bad in ["", "jörg", "a\nb", "a\tb", &"x".repeat(65)] {
            assert!(!is_user(bad), "{bad:?}");
        }
        assert!(no_user("REALMCTL_USER").message.starts_with("REALMCTL_USER must be 1 to 64"));
        assert!(no_user("USER").message.ends_with("set REALMCTL_USER to one that is"));
    }
}
