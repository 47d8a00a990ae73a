//! Who asks, as far as it is proved: by a token or a certificate of their own, by having signed in, by the server's one token, or by being
//! on this machine.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use store::{StoreError, Tx};
use workflows::access::{Bearer, Role, Scope, Visitor, is_session_still_good, is_still_good};

use crate::problem::ApiError;
use crate::tls::{Holder, ShownCertificate};

/// Somebody who was let in.
#[derive(Debug, Clone)]
pub(crate) struct Principal {
    proof: Proof,
    pub(crate) role: Role,
    pub(crate) scope: Scope,
    /// The address that the request came from.
    pub(crate) origin: String,
}

/// What has let somebody in.
#[derive(Debug, Clone)]
enum Proof {
    /// The server's own token, which several may share, where others have tokens of their own.
    SharedToken,
    /// The same where nobody has, or being on this machine where nothing is wanted.
    Nothing,
    /// A token that was made for somebody.
    Token { id: String, name: String },
    /// A certificate of a client.
    Certificate { shown: ShownCertificate, name: String },
    /// The session of a person who has signed in.
    Session(Arc<Visitor>),
}

/// The other end of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

impl Principal {
    /// Whoever may do everything: who shows the server's token, or is on this machine where none is wanted.
    pub(crate) fn trusted(origin: String, shares: bool) -> Self {
        let proof = if shares { Proof::SharedToken } else { Proof::Nothing };
        Self { proof, role: Role::Admin, scope: Scope::All, origin }
    }

    pub(crate) fn of(bearer: Bearer, origin: String) -> Self {
        let proof = Proof::Token { id: bearer.token, name: bearer.name };
        Self { proof, role: bearer.role, scope: bearer.scope, origin }
    }

    /// Who has shown a certificate. It is for all tenants.
    pub(crate) fn with_certificate(shown: ShownCertificate, holder: Holder, origin: String) -> Self {
        let proof = Proof::Certificate { shown, name: holder.name };
        Self { proof, role: holder.role, scope: Scope::All, origin }
    }

    pub(crate) fn signed_in(visitor: Visitor, origin: String) -> Self {
        let role = visitor.role;
        Self { proof: Proof::Session(Arc::new(visitor)), role, scope: Scope::All, origin }
    }

    /// Tells callers apart that have something of their own; those that share a token, or need none, have the same.
    pub(crate) fn key(&self) -> String {
        match &self.proof {
            Proof::Token { id, .. } => id.clone(),
            Proof::Certificate { name, .. } => format!("certificate {name}"),
            Proof::Session(visitor) => visitor.session.id.clone(),
            Proof::SharedToken | Proof::Nothing => String::new(),
        }
    }

    /// Whose idempotency keys it uses: those of its name, whatever it shows. Without a name they are shared.
    pub(crate) fn owner(&self) -> String {
        self.proved_name().unwrap_or_default()
    }

    /// Which person it is, if that is proved. A certificate is a machine's.
    pub(crate) fn person(&self) -> Option<&str> {
        match &self.proof {
            Proof::Token { name, .. } => Some(name),
            Proof::Session(visitor) => Some(&visitor.session.name),
            Proof::Certificate { .. } | Proof::SharedToken | Proof::Nothing => None,
        }
    }

    /// The id of the token that was shown.
    pub(crate) fn token_id(&self) -> Option<&str> {
        if let Proof::Token { id, .. } = &self.proof { Some(id) } else { None }
    }

    /// The session of a person who has signed in.
    pub(crate) fn session(&self) -> Option<&Arc<Visitor>> {
        if let Proof::Session(visitor) = &self.proof { Some(visitor) } else { None }
    }

    /// Whether what let it in still would.
    pub(crate) async fn is_still_good(&self, tx: &mut Tx) -> Result<bool, StoreError> {
        match &self.proof {
            Proof::Token { id, .. } => is_still_good(tx, id).await,
            Proof::Session(visitor) => is_session_still_good(tx, &visitor.session.id).await,
            Proof::Certificate { shown, .. } => Ok(shown.holder().is_ok()),
            Proof::SharedToken | Proof::Nothing => Ok(true),
        }
    }

    fn proved_name(&self) -> Option<String> {
        match &self.proof {
            Proof::Certificate { name, .. } => Some(format!("certificate {name}")),
            _ => self.person().map(str::to_owned),
        }
    }

    /// In words.
    pub(crate) fn shown(&self) -> String {
        match &self.proof {
            Proof::Token { name, .. } => format!("token {name}"),
            Proof::Certificate { name, .. } => format!("certificate {name}"),
            Proof::Session(visitor) => visitor.session.name.clone(),
            Proof::SharedToken | Proof::Nothing => "the caller".to_owned(),
        }
    }

    /// What the audit trail calls it: who it is as far as that is proved, and whom the request names besides, which is not.
    pub(crate) fn who(&self, named: Option<String>) -> String {
        let same = self.person().is_some_and(|name| named.as_deref() == Some(name));
        match (self.proved_name(), named.filter(|_| !same)) {
            (Some(name), Some(named)) => format!("{name} ({named})"),
            (Some(name), None) => name,
            // Who has a token of that name has proved it.
            (None, Some(named)) if matches!(self.proof, Proof::SharedToken) => format!("server token ({named})"),
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
