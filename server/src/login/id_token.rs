//! The parts of an ID token (a JWS in its compact form, RFC 7515). What it claims is not looked at before its signature was checked.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::key_set::{Algorithm, KeySet};

/// Longer than any that we take.
const LONGEST: usize = 64 << 10;

/// A token in its parts. Nothing of it is proved.
pub(super) struct Unproved<'a> {
    algorithm: Algorithm,
    kid: Option<String>,
    signed: &'a str,
    claims: Map<String, Value>,
    signature: Vec<u8>,
}

/// What a token claims whose signature is the provider's.
pub(super) struct Signed(pub(super) Map<String, Value>);

impl<'a> Unproved<'a> {
    /// Takes it apart. The words say why it is none that we take.
    pub(super) fn parse(text: &'a str) -> Result<Self, &'static str> {
        let bad = "the ID token is not of the form of one";
        if text.len() > LONGEST {
            return Err(bad);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(bad)?;
        let (header, claims) = signed.split_once('.').filter(|(_, claims)| !claims.contains('.')).ok_or(bad)?;
        let object = |part: &str| -> Option<Map<String, Value>> {
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
        };
        let header = object(header).ok_or(bad)?;
        // What has to be understood, and is not.
        if header.contains_key("crit") {
            return Err("the ID token needs an extension that is not known here");
        }
        let algorithm = header.get("alg").and_then(Value::as_str).and_then(Algorithm::find);
        let algorithm = algorithm.ok_or("the ID token is signed with an algorithm other than RS256 and ES256")?;
        Ok(Self {
            algorithm,
            kid: header.get("kid").and_then(Value::as_str).map(str::to_owned),
            signed,
            claims: object(claims).ok_or(bad)?,
            signature: URL_SAFE_NO_PAD.decode(signature).map_err(|_| bad)?,
        })
    }

    /// Whether one of these keys has signed it. None: the key that it names is not among them.
    pub(super) fn is_signed_by(&self, keys: &KeySet) -> Option<bool> {
        keys.verify(self.algorithm, self.kid.as_deref(), self.signed.as_bytes(), &self.signature)
    }

    /// Gives what it claims to whoever has found that a key of `keys` has signed it.
    pub(super) fn proved_by(self, keys: &KeySet) -> Option<Signed> {
        (self.is_signed_by(keys) == Some(true)).then_some(Signed(self.claims))
    }
}
