//! Whose certificates the client trusts besides those of the machine, which one it shows itself, and what is said where TLS fails.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use clap::Args;
use reqwest::{Certificate, ClientBuilder, Identity};
use rustls::{AlertDescription, CertificateError};

use crate::exit::{Failure, chain};

/// Options of a client that speaks TLS.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct TrustArgs {
    /// Trust these authorities (PEM) for the server's certificate, besides those of this machine
    #[arg(long, global = true, env = "REALMCTL_CA_FILE", value_name = "FILE", hide_env_values = true)]
    ca_file: Option<PathBuf>,
    /// Show this certificate (PEM) to the server instead of a token
    #[arg(long, global = true, env = "REALMCTL_CLIENT_CERT", value_name = "FILE", hide_env_values = true)]
    client_cert: Option<PathBuf>,
    /// The key of the client certificate: PEM, not encrypted
    #[arg(long, global = true, env = "REALMCTL_CLIENT_KEY", value_name = "FILE", hide_env_values = true)]
    client_key: Option<PathBuf>,
}

impl TrustArgs {
    /// Whether a certificate is shown.
    pub(crate) fn shows_a_certificate(&self) -> bool {
        self.client_cert.is_some()
    }

    /// The builder with what the files hold. Keys are never repeated.
    pub(crate) fn apply(&self, mut builder: ClientBuilder) -> Result<ClientBuilder, Failure> {
        if let Some(file) = &self.ca_file {
            let said = |why: &str| Failure::usage(format!("--ca-file {}: {why}", file.display()));
            let text = std::fs::read(file).map_err(|error| said(&error.to_string()))?;
            let authorities = Certificate::from_pem_bundle(&text).map_err(|error| said(&chain(&error)))?;
            if authorities.is_empty() {
                return Err(said("there is no certificate in it: it must be PEM"));
            }
            builder = builder.tls_certs_merge(authorities);
        }
        let (certificate, key) = match (&self.client_cert, &self.client_key) {
            (None, None) => return Ok(builder),
            (Some(certificate), Some(key)) => (certificate, key),
            _ => {
                let message =
                    "--client-cert and --client-key (REALMCTL_CLIENT_CERT, REALMCTL_CLIENT_KEY) go together: give both";
                return Err(Failure::usage(message));
            }
        };
        server::check_pair(("--client-cert", certificate), ("--client-key", key))
            .map_err(|error| Failure::usage(error.to_string()))?;
        let said = |why: &str| Failure::usage(format!("--client-cert {}: {why}", certificate.display()));
        let mut both = std::fs::read(certificate).map_err(|error| said(&error.to_string()))?;
        both.push(b'\n');
        both.extend(std::fs::read(key).map_err(|error| said(&error.to_string()))?);
        Ok(builder.identity(Identity::from_pem(&both).map_err(|error| said(&chain(&error)))?))
    }
}

/// What went wrong with TLS, and what to do; nothing if it was something else.
pub(crate) fn untrusted(error: &reqwest::Error) -> Option<String> {
    match tls_error(error)? {
        rustls::Error::InvalidCertificate(why) => Some(match why {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                "it shows a certificate of an authority that this machine does not trust: name that authority's certificate with --ca-file \
                 or REALMCTL_CA_FILE"
                    .to_owned()
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => format!(
                "its certificate is for another name ({why}): address the server by a name of its certificate"
            ),
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                format!("its certificate has expired ({why}): have it renewed, and check the clock of this machine")
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                format!("its certificate is not yet valid ({why}): check the clock of this machine")
            }
            why => format!(
                "its certificate can't be trusted ({why}): if it is by an authority of yours, name that one with --ca-file or \
                 REALMCTL_CA_FILE, and check that the server shows the whole chain"
            ),
        }),
        rustls::Error::AlertReceived(alert) if is_about_ours(*alert) => Some(format!(
            "it refuses the certificate that was shown ({alert:?}): give --client-cert one that is good now and by an authority of its \
             --tls-client-ca"
        )),
        rustls::Error::InvalidMessage(_) => {
            Some("it does not speak TLS there: address it as http://, or check its port".to_owned())
        }
        _ => None,
    }
}

/// What is said when the server ends a connection on which a certificate was shown. With TLS 1.3 it refuses one after the client has begun to
/// ask, and its reason may be lost with the request.
pub(crate) fn cut_off(why: &str) -> String {
    format!(
        "it ended the connection, perhaps because it refuses the certificate that was shown ({why}): give --client-cert one that is good \
         now and by an authority of its --tls-client-ca"
    )
}

fn is_about_ours(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError
    )
}

/// Wherever it stands among the causes. Errors of input and output hide theirs from `source`.
fn tls_error(error: &reqwest::Error) -> Option<&rustls::Error> {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref() {
            return Some(found);
        }
        next = match cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(within) => Some(within),
            None => cause.source(),
        };
    }
    None
}
