//! Checks signature and age of a request.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::received::Received;
use super::reply::Reply;

/// Why the request is not to be believed, if it is not.
pub(super) fn refusal(request: &Received, secret: &str, age: Duration) -> Option<Reply> {
    let digest = hex(&Sha256::digest(&request.body));
    let Received { method, path, timestamp, delivery, .. } = request;
    let text = format!("v1\n{method}\n{path}\n{digest}\n{timestamp}\n{delivery}");
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length is a key");
    mac.update(text.as_bytes());
    let given = request.signature.strip_prefix("v1=").and_then(unhex).unwrap_or_default();
    if mac.verify_slice(&given).is_err() {
        return Some(Reply::refused(401, "bad_signature", "the signature is wrong"));
    }
    let signed = timestamp.parse().map_or(UNIX_EPOCH, |ms| UNIX_EPOCH + Duration::from_millis(ms));
    let now = SystemTime::now();
    let apart = now.duration_since(signed).or_else(|_| signed.duration_since(now)).unwrap_or_default();
    (apart > age)
        .then(|| Reply::refused(401, "request_too_old", &format!("it was signed {} s from now", apart.as_secs())))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2).map(|two| std::str::from_utf8(two).ok());
    digits.map(|two| u8::from_str_radix(two?, 16).ok()).collect()
}
