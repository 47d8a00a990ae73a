//! What a server is told at its start: whom it lets in, and the rule that a public address needs a token.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use workflows::access::TokenKeys;

use crate::login::LoginSettings;
use crate::tls::Tls;

/// How a server behaves.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// What callers of `/v1` must show; without it, the server listens on loopback only.
    pub token: Option<Token>,
    /// The keys of the tokens that were made for somebody. With any, callers must show a token.
    pub token_keys: Arc<TokenKeys>,
    /// The server's certificate, and whose certificates let clients in; without it, the server speaks plain HTTP.
    pub tls: Option<Arc<Tls>>,
    /// How people sign in; without it, nobody does. It takes keys of tokens.
    pub login: Option<Arc<LoginSettings>>,
    /// Requests a second of one caller; none: as many as it likes.
    pub requests_per_second: Option<u32>,
    /// How long answers to requests with an idempotency key are kept; none: for ever.
    pub keep_answers: Option<Duration>,
    /// Connections that may be open at a time.
    pub connections: usize,
    /// How long a client may take to say what it wants, after it has connected and after each answer.
    pub headers_within: Duration,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            token: None,
            token_keys: Arc::default(),
            tls: None,
            login: None,
            requests_per_second: None,
            keep_answers: None,
            connections: CONNECTIONS,
            headers_within: HEADERS_WITHIN,
        }
    }
}

/// With what stores and the catalogue need it fits into the 1,024 files that a process may usually have open.
const CONNECTIONS: usize = 512;

const HEADERS_WITHIN: Duration = Duration::from_secs(30);

/// The secret that callers show as `Authorization: Bearer …`. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// The text can't be a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a token is 1 to {TOKEN_MAX} visible ASCII characters without spaces")]
pub struct InvalidToken;

impl ServerSettings {
    /// Whether callers may show a certificate instead of a token.
    pub fn asks_for_certificates(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.asks_clients())
    }

    /// Whether everybody who reaches the server is let in.
    pub fn is_open(&self) -> bool {
        self.token.is_none() && self.token_keys.is_empty() && !self.asks_for_certificates()
    }
}

/// An address that others can reach, and no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "refusing to listen on {0} without a token, because other machines could reach it: set REALMCTL_TOKEN (or --token), --token-key-file or \
     --tls-client-ca, or listen on a loopback address such as 127.0.0.1:{port}", port = .0.port()
)]
pub struct ExposureError(pub SocketAddr);

const TOKEN_MAX: usize = 512;

impl Token {
    /// The secret itself. Never log it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl FromStr for Token {
    type Err = InvalidToken;

    fn from_str(text: &str) -> Result<Self, InvalidToken> {
        let fits = (1..=TOKEN_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidToken) }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Refuses an address that other machines can reach, unless callers must show something.
pub(crate) fn check_exposure(listen: &SocketAddr, settings: &ServerSettings) -> Result<(), ExposureError> {
    if settings.is_open() && is_public(listen) {
        return Err(ExposureError(*listen));
    }
    Ok(())
}

/// Whether tokens would travel to this address in clear.
pub(crate) fn exposes_tokens(listen: &SocketAddr, settings: &ServerSettings) -> bool {
    settings.tls.is_none() && is_public(listen)
}

/// Whether other machines can reach it. Canonical, because ::ffff:127.0.0.1 is loopback too.
fn is_public(listen: &SocketAddr) -> bool {
    !listen.ip().to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_token_only_loopback_will_do() {
        let open = ServerSettings::default();
        let closed = ServerSettings { token: Some("secret".parse().expect("a token")), ..ServerSettings::default() };
        for loopback in ["127.0.0.1:80", "127.9.9.9:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
            let at = loopback.parse().expect("an address");
            assert_eq!(check_exposure(&at, &open), Ok(()), "{loopback}");
        }
        for public in ["0.0.0.0:80", "[::]:80", "10.0.0.1:80", "[::ffff:10.0.0.1]:80"] {
            let at = public.parse().expect("an address");
            let said = check_exposure(&at, &open).expect_err(public).to_string();
            assert!(said.contains("REALMCTL_TOKEN") && said.contains("127.0.0.1:80"), "{said}");
            assert_eq!(check_exposure(&at, &closed), Ok(()), "{public}");
        }
    }

    #[test]
    fn a_token_is_never_shown_and_never_empty() {
        let settings = ServerSettings { token: Some("hunter2".parse().expect("a token")), ..ServerSettings::default() };
        assert!(!format!("{settings:?}").contains("hunter2"));
        for bad in ["", " ", "a b", "é", &"a".repeat(513)] {
            assert_eq!(bad.parse::<Token>(), Err(InvalidToken), "{bad}");
        }
    }
}
