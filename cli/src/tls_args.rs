//! TLS of `realmctl serve`: its certificate, and whose certificates let clients in.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use server::api::Role;
use server::{Tls, TlsClients, TlsFiles};

use crate::exit::Failure;
use crate::files::warn_of_readers;
use crate::role_arg::parse_role;

/// Where the certificates are.
#[derive(Debug, Args)]
pub(crate) struct TlsArgs {
    /// Speak TLS with this certificate: PEM, with those between it and its authority below it. Renewed files are read while the server runs
    #[arg(long, env = "REALMCTL_TLS_CERT", value_name = "FILE", requires = "tls_key", hide_env_values = true)]
    tls_cert: Option<PathBuf>,
    /// The key of the certificate: PEM, not encrypted
    #[arg(long, env = "REALMCTL_TLS_KEY", value_name = "FILE", requires = "tls_cert", hide_env_values = true)]
    tls_key: Option<PathBuf>,
    /// Let clients in that show a certificate of one of these authorities instead of a token: PEM. Such clients are known by their
    /// certificate's common name
    #[arg(long, env = "REALMCTL_TLS_CLIENT_CA", value_name = "FILE", requires = "tls_cert", hide_env_values = true)]
    tls_client_ca: Option<PathBuf>,
    /// What clients with a certificate may do: viewer, support, provisioner or oncall [default: viewer]
    #[arg(long, env = "REALMCTL_TLS_CLIENT_ROLE", value_name = "ROLE", requires = "tls_client_ca", value_parser = parse_client_role, hide_env_values = true)]
    tls_client_role: Option<Role>,
}

impl TlsArgs {
    /// Reads the files; nothing without a certificate.
    pub(crate) fn read(&self) -> Result<Option<Arc<Tls>>, Failure> {
        let (Some(certificate), Some(key)) = (&self.tls_cert, &self.tls_key) else { return Ok(None) };
        let role = self.tls_client_role.unwrap_or(Role::Viewer);
        let clients = self.tls_client_ca.clone().map(|authorities| TlsClients { authorities, role });
        warn_of_readers(key);
        let files = TlsFiles { clients, ..TlsFiles::new(certificate.clone(), key.clone()) };
        let tls = Tls::open(files).map_err(|error| Failure::usage(error.to_string()))?;
        Ok(Some(Arc::new(tls)))
    }
}

/// Certificates can't be revoked one by one, so that none may do everything.
fn parse_client_role(text: &str) -> Result<Role, String> {
    match parse_role(text)? {
        Role::Admin => Err("a certificate may not do everything: admins need a token, which can be revoked".to_owned()),
        role => Ok(role),
    }
}
