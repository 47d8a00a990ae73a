//! Who asks, as far as it is proved: by a token or a certificate of their own, by the server's one token, or by being on this machine.

use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use workflows::access::{Bearer, Role, Scope};

use crate::problem::ApiError;
use crate::tls::{Holder, ShownCertificate};

/// Somebody who was let in.
#[derive(Debug, Clone)]
pub(crate) struct Principal {
    /// The token's id and whose it is; none for the server's own token, and without any.
    pub(crate) token: Option<(String, String)>,
    /// The certificate that was shown instead of a token, and whose it is.
    pub(crate) certificate: Option<(ShownCertificate, String)>,
    pub(crate) role: Role,
    pub(crate) scope: Scope,
    /// The address that the request came from.
    pub(crate) origin: String,
    /// It has shown the token that several may share, where others have tokens of their own.
    shares: bool,
}

/// The other end of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

impl Principal {
    /// Whoever may do everything: who shows the server's token, or is on this machine where none is wanted.
    pub(crate) fn trusted(origin: String, shares: bool) -> Self {
        Self { token: None, certificate: None, role: Role::Admin, scope: Scope::All, origin, shares }
    }

    pub(crate) fn of(bearer: Bearer, origin: String) -> Self {
        let token = Some((bearer.token, bearer.name));
        Self { token, certificate: None, role: bearer.role, scope: bearer.scope, origin, shares: false }
    }

    /// Who has shown a certificate. It is for all tenants.
    pub(crate) fn with_certificate(shown: ShownCertificate, holder: Holder, origin: String) -> Self {
        let certificate = Some((shown, holder.name));
        Self { token: None, certificate, role: holder.role, scope: Scope::All, origin, shares: false }
    }

    /// Tells callers apart that have something of their own; those that share a token, or need none, have the same.
    pub(crate) fn key(&self) -> String {
        match (&self.token, &self.certificate) {
            (Some((id, _)), _) => id.clone(),
            (None, Some((_, name))) => format!("certificate {name}"),
            (None, None) => String::new(),
        }
    }

    /// Whose idempotency keys it uses: those of its name, whichever token it shows. Without a name they are shared.
    pub(crate) fn owner(&self) -> String {
        match (&self.token, &self.certificate) {
            (Some((_, name)), _) => name.clone(),
            (None, Some((_, name))) => format!("certificate {name}"),
            (None, None) => String::new(),
        }
    }

    /// Which person it is, if that is proved. A certificate is a machine's.
    pub(crate) fn person(&self) -> Option<&str> {
        self.token.as_ref().map(|(_, name)| name.as_str())
    }

    /// The id of the token that was shown.
    pub(crate) fn token_id(&self) -> Option<&str> {
        self.token.as_ref().map(|(id, _)| id.as_str())
    }

    /// In words.
    pub(crate) fn shown(&self) -> String {
        match (&self.token, &self.certificate) {
            (Some((_, name)), _) => format!("token {name}"),
            (None, Some((_, name))) => format!("certificate {name}"),
            (None, None) => "the caller".to_owned(),
        }
    }

    /// What the audit trail calls it: whose token or certificate it is, and whom the request names besides, which is not proved.
    pub(crate) fn who(&self, named: Option<String>) -> String {
        if let Some((_, name)) = &self.certificate {
            return match named {
                Some(named) if *name != named => format!("certificate {name} ({named})"),
                _ => format!("certificate {name}"),
            };
        }
        match (&self.token, named) {
            (Some((_, name)), Some(named)) if *name != named => format!("{name} ({named})"),
            (Some((_, name)), _) => name.clone(),
            // Who has a token of that name has proved it.
            (None, Some(named)) if self.shares => format!("server token ({named})"),
            (None, Some(named)) => named,
            (None, None) => "anonymous".to_owned(),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Principal {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get().cloned().ok_or_else(|| ApiError::unauthorized("unauthorized", "nobody was let in"))
    }
}
