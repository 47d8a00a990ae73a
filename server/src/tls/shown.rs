//! The certificate that a client has shown, and whose it is. It is checked again for each request: connections last, and certificates and
//! authorities expire or are taken away meanwhile.

use std::sync::Arc;

use rustls::CertificateError;
use rustls::pki_types::{CertificateDer, UnixTime};
use workflows::access::Role;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

use super::Tls;

const NAME_MAX: usize = 64;

/// What a client has shown when it connected.
#[derive(Debug, Clone)]
pub(crate) struct ShownCertificate {
    chain: Arc<[CertificateDer<'static>]>,
    tls: Arc<Tls>,
}

/// Who shows it, and what they may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) name: String,
    pub(crate) role: Role,
}

/// Why it lets nobody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CertificateRefusal {
    /// It has expired since the client connected.
    Expired,
    /// Its authority is no longer one of those that count.
    Foreign,
    /// It has no name that can stand in the audit trail.
    Nameless,
}

impl ShownCertificate {
    pub(super) fn new(chain: Vec<CertificateDer<'static>>, tls: Arc<Tls>) -> Self {
        Self { chain: chain.into(), tls }
    }

    /// Whose it is, if it is still good.
    pub(crate) fn holder(&self) -> Result<Holder, CertificateRefusal> {
        let verifier = self.tls.in_use().verifier.clone();
        let (Some((own, between)), Some(verifier)) = (self.chain.split_first(), verifier) else {
            return Err(CertificateRefusal::Foreign);
        };
        verifier.verify_client_cert(own, between, UnixTime::now()).map_err(|error| match error {
            rustls::Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
                CertificateRefusal::Expired
            }
            _ => CertificateRefusal::Foreign,
        })?;
        let role = self.tls.files.clients.as_ref().map(|clients| clients.role).ok_or(CertificateRefusal::Foreign)?;
        let name = name_of(own).ok_or(CertificateRefusal::Nameless)?;
        Ok(Holder { name, role })
    }
}

/// The common name of the subject, or the first DNS name where there is none.
fn name_of(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let mut common = parsed.subject().iter_common_name();
    let name = match (common.next(), common.next()) {
        (Some(only), None) => only.as_str().ok()?.to_owned(),
        // Which of them is meant?
        (Some(_), Some(_)) => return None,
        (None, _) => {
            let alternatives = parsed.subject_alternative_name().ok()??;
            let dns = |name: &GeneralName<'_>| match name {
                GeneralName::DNSName(name) => Some((*name).to_owned()),
                _ => None,
            };
            alternatives.value.general_names.iter().find_map(dns)?
        }
    };
    let printable = name.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    ((1..=NAME_MAX).contains(&name.len()) && printable).then_some(name)
}
