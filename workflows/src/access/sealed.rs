//! Text that a browser keeps for us, and can neither read nor change: encrypted under a key of the file of token keys.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};

use super::keys::TokenKeys;

const NONCE_BYTES: usize = 12;

impl TokenKeys {
    /// Seals a text under the newest key; none without a key or randomness. 96 random bits are enough of a nonce for billions of texts
    /// (NIST SP 800-38D, 8.3, gives 2^32 for the same size).
    pub fn seal(&self, purpose: &str, text: &[u8]) -> Option<Vec<u8>> {
        let key = key(&self.newest()?.sealing)?;
        let mut nonce = [0; NONCE_BYTES];
        SystemRandom::new().fill(&mut nonce).ok()?;
        let mut sealed = text.to_vec();
        let aad = Aad::from(purpose.as_bytes());
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed).ok()?;
        Some([nonce.as_slice(), &sealed].concat())
    }

    /// Opens what was sealed for the same purpose, under any of the keys.
    pub fn open(&self, purpose: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_BYTES)?;
        self.all().find_map(|candidate| {
            let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
            let mut text = sealed.to_vec();
            let opened =
                key(&candidate.sealing)?.open_in_place(nonce, Aad::from(purpose.as_bytes()), &mut text).ok()?;
            Some(opened.to_vec())
        })
    }
}

fn key(bytes: &[u8; 32]) -> Option<LessSafeKey> {
    UnboundKey::new(&CHACHA20_POLY1305, bytes).ok().map(LessSafeKey::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_is_opened_for_its_purpose_alone_and_not_once_it_was_touched() {
        let old = TokenKeys::parse("an-example-key-of-2025").expect("a key");
        let new = TokenKeys::parse("an-example-key-of-2026\nan-example-key-of-2025").expect("keys");
        let sealed = old.seal("a", b"text").expect("sealed");
        assert_eq!(new.open("a", &sealed).as_deref(), Some(&b"text"[..]));
        assert_ne!(old.seal("a", b"text"), Some(sealed.clone()));
        assert_eq!(old.open("b", &sealed), None);
        assert_eq!(old.open("a", &new.seal("a", b"text").expect("sealed")), None);
        for at in 0..sealed.len() {
            let mut touched = sealed.clone();
            touched[at] ^= 1;
            assert_eq!(old.open("a", &touched), None, "byte {at}");
            assert_eq!(old.open("a", &sealed[..at]), None, "cut at {at}");
        }
    }
}
