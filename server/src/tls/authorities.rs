//! The authorities that issue clients' certificates.

use std::sync::Arc;

use jiff::Timestamp;
use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use super::bad_file::{BadTlsFile, Why};
use super::pem_file::PemFile;

/// Those of a file that have not expired.
#[derive(Debug)]
pub(super) struct Authorities {
    /// Checks the certificates that clients show; none: every authority has expired.
    pub(super) verifier: Option<Arc<dyn ClientCertVerifier>>,
    /// When the first of them expires.
    pub(super) first_end: Option<Timestamp>,
    pub(super) expired: usize,
}

impl Authorities {
    /// What is good now: checking a chain does not look at the time of its authority, so that is done here.
    pub(super) fn of(file: &PemFile, text: &[u8], now: Timestamp) -> Result<Self, BadTlsFile> {
        let broken = |error: &dyn std::fmt::Display| file.bad(Why::BrokenCertificate(error.to_string()));
        let all = file.certificates(text)?;
        if all.is_empty() {
            return Err(file.bad(Why::NoAuthority));
        }
        let (mut roots, mut first_end, mut expired) = (RootCertStore::empty(), None, 0);
        for authority in all {
            let (_, ends) = file.validity(&authority)?;
            if ends < now {
                expired += 1;
                continue;
            }
            first_end = Some(first_end.map_or(ends, |first: Timestamp| first.min(ends)));
            roots.add(authority).map_err(|error| broken(&error))?;
        }
        if roots.is_empty() {
            return Ok(Self { verifier: None, first_end: None, expired });
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).allow_unauthenticated();
        let verifier = verifier.build().map_err(|error| broken(&error))?;
        Ok(Self { verifier: Some(verifier), first_end, expired })
    }
}
