//! How a request to a service is signed. The worked example of `docs/hooks.md` is computed here.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hmac};

/// The first line of what is signed, and the version that a signature begins with.
const VERSION: &str = "v1";

/// A request as far as it is signed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signed<'a> {
    pub(super) method: &'a str,
    /// Path and query as they are sent.
    pub(super) path: &'a str,
    pub(super) body: &'a [u8],
    /// Milliseconds since 1970.
    pub(super) timestamp: u128,
    pub(super) delivery: &'a str,
}

impl Signed<'_> {
    /// `v1=` and the HMAC-SHA256 in hexadecimal.
    pub(super) fn signature(&self, key: &hmac::Key) -> String {
        let Self { method, path, body, timestamp, delivery } = self;
        let body = hex(digest::digest(&digest::SHA256, body).as_ref());
        let text = format!("{VERSION}\n{method}\n{path}\n{body}\n{timestamp}\n{delivery}");
        format!("{VERSION}={}", hex(hmac::sign(key, text.as_bytes()).as_ref()))
    }
}

/// A time as the header has it.
pub(super) fn timestamp(at: SystemTime) -> u128 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis())
}

/// A name for one attempt at one request that no other has.
pub(crate) fn delivery_id() -> String {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).expect("the operating system has random bytes");
    hex(&bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes everything");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of the worked example's block after its heading.
    fn example(heading: &str) -> String {
        let page = include_str!("../../../docs/hooks.md");
        let (_, page) = page.split_once("Worked example").expect("the page has one");
        let (_, from) = page.split_once(heading).unwrap_or_else(|| panic!("docs/hooks.md has {heading}"));
        let (_, block) = from.split_once("```\n").expect("a block follows");
        block.split_once("\n```").expect("the block ends").0.to_owned()
    }

    #[test]
    fn the_worked_example_of_the_documentation_is_right() {
        let secret = example("the secret");
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let body = example("the body");
        let signed = example("what is signed");
        let lines: Vec<&str> = signed.lines().collect();
        assert_eq!(lines[0], VERSION);
        let request = Signed {
            method: lines[1],
            path: lines[2],
            body: body.as_bytes(),
            timestamp: lines[4].parse().unwrap(),
            delivery: lines[5],
        };
        assert_eq!(hex(digest::digest(&digest::SHA256, body.as_bytes()).as_ref()), lines[3]);
        assert_eq!(hex(hmac::sign(&key, signed.as_bytes()).as_ref()), example("the signature")["v1=".len()..]);
        assert_eq!(request.signature(&key), example("the signature"));
    }

    #[test]
    fn everything_that_is_signed_changes_the_signature() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"0123456789abcdef");
        let one = Signed { method: "POST", path: "/start", body: b"{}", timestamp: 1, delivery: "d" };
        let others = [
            Signed { method: "GET", ..one },
            Signed { path: "/start?", ..one },
            Signed { body: b"{} ", ..one },
            Signed { timestamp: 2, ..one },
            Signed { delivery: "e", ..one },
        ];
        for other in others {
            assert_ne!(one.signature(&key), other.signature(&key), "{other:?}");
        }
        assert_ne!(delivery_id(), delivery_id());
    }
}
