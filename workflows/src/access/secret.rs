//! The text of a token: `rct_ID_SECRET`, both in hexadecimal. The prefix is there for those who scan for leaked secrets.

use ring::rand::{SecureRandom, SystemRandom};

const PREFIX: &str = "rct_";
const ID_BYTES: usize = 8;
const SECRET_BYTES: usize = 32;

/// What a token says.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct TokenText {
    pub(super) id: String,
    pub(super) secret: String,
}

impl TokenText {
    /// A new one. None: the system has no randomness to give.
    pub(super) fn random() -> Option<Self> {
        Some(Self { id: random_hex(ID_BYTES)?, secret: random_hex(SECRET_BYTES)? })
    }

    /// Whether it looks like the id of a token.
    pub(super) fn is_id(text: &str) -> bool {
        is_hex(text, ID_BYTES)
    }

    /// Reads it; none if it is no text of ours.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let ours = is_hex(id, ID_BYTES) && is_hex(secret, SECRET_BYTES);
        ours.then(|| Self { id: id.to_owned(), secret: secret.to_owned() })
    }

    /// As its bearer shows it.
    pub(super) fn reveal(&self) -> String {
        format!("{PREFIX}{}_{}", self.id, self.secret)
    }
}

pub(super) fn is_hex(text: &str, bytes: usize) -> bool {
    text.len() == 2 * bytes && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

pub(super) fn random_hex(bytes: usize) -> Option<String> {
    let mut random = vec![0; bytes];
    SystemRandom::new().fill(&mut random).ok()?;
    Some(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written_and_nothing_else_is_one() {
        let made = TokenText::random().expect("randomness");
        let text = made.reveal();
        assert!(TokenText::parse(&text) == Some(made.clone()));
        assert!(TokenText::random() != Some(made));
        let (upper, longer) = (text.to_uppercase(), format!("{text}0"));
        for wrong in
            ["", "rct_", "rct__", &text[1..], &text[..text.len() - 1], &upper, &longer, &text.replace("rct", "xct")]
        {
            assert!(TokenText::parse(wrong).is_none(), "{wrong}");
        }
    }
}
