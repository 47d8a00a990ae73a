//! What a browser keeps for us while somebody signs in, sealed: it can neither be read nor made by anybody else, and nothing of it is
//! stored here, so that those who begin logins and never end them fill nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};
use workflows::access::TokenKeys;

/// How long signing in may take, in seconds.
pub(super) const GOOD_FOR_S: i64 = 600;

const PURPOSE: &str = "realmctl, login that was begun";

/// A login that was begun.
#[derive(Serialize, Deserialize)]
pub(super) struct Ticket {
    /// Comes back beside the code: the answer is to this browser's question.
    pub(super) state: String,
    /// Stands in the ID token: it was made for this login.
    pub(super) nonce: String,
    /// Whoever shows the code has to show it (PKCE).
    pub(super) verifier: String,
    pub(super) return_to: String,
    /// In seconds since the epoch.
    pub(super) expires_at: i64,
}

impl Ticket {
    /// A new one; none without randomness.
    pub(super) fn new(return_to: &str, now: i64) -> Option<Self> {
        Some(Self {
            state: random()?,
            nonce: random()?,
            verifier: random()?,
            return_to: return_to.to_owned(),
            expires_at: now + GOOD_FOR_S,
        })
    }

    /// What the provider is shown of the verifier (RFC 7636, S256).
    pub(super) fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, self.verifier.as_bytes()))
    }

    pub(super) fn seal(&self, keys: &TokenKeys) -> Option<String> {
        let text = serde_json::to_vec(self).ok()?;
        keys.seal(PURPOSE, &text).map(|sealed| URL_SAFE_NO_PAD.encode(sealed))
    }

    pub(super) fn open(keys: &TokenKeys, text: &str) -> Option<Self> {
        let sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
        serde_json::from_slice(&keys.open(PURPOSE, &sealed)?).ok()
    }
}

/// 256 random bits.
fn random() -> Option<String> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_that_of_the_standard() {
        // RFC 7636, appendix B.
        let ticket = Ticket {
            state: String::new(),
            nonce: String::new(),
            verifier: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned(),
            return_to: String::new(),
            expires_at: 0,
        };
        assert_eq!(ticket.challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn the_longest_one_fits_into_a_cookie() {
        let keys = TokenKeys::parse("an-example-key-of-2026").expect("a key");
        let ticket = Ticket::new(&"x".repeat(512), i64::MAX - GOOD_FOR_S).expect("a ticket");
        let sealed = ticket.seal(&keys).expect("sealed");
        assert!(sealed.len() < 2_000, "{}", sealed.len());
        assert_eq!(Ticket::open(&keys, &sealed).expect("opened").state, ticket.state);
        assert!(Ticket::open(&keys, &sealed[1..]).is_none());
    }
}
