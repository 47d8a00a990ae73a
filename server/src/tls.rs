//! TLS of the API: its certificate, the authorities of clients' certificates, and the files of both, which are read again when they change.

mod authorities;
mod bad_file;
mod handshake;
mod in_use;
mod pair;
mod pem_file;
mod shown;
mod watch;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use workflows::access::Role;

pub use bad_file::BadTlsFile;
pub(crate) use handshake::accept;
use in_use::{FilesRead, InUse};
pub(crate) use shown::{CertificateRefusal, Holder, ShownCertificate};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Where the certificates are.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// PEM: the server's certificate, then those between it and its authority.
    pub certificate: PathBuf,
    /// PEM: the key of the certificate, not encrypted.
    pub key: PathBuf,
    /// Whose certificates let clients in.
    pub clients: Option<TlsClients>,
    /// How often the files are looked at.
    pub look_every: Duration,
}

/// Clients that may show a certificate instead of a token.
#[derive(Debug, Clone)]
pub struct TlsClients {
    /// PEM: the authorities that issue their certificates.
    pub authorities: PathBuf,
    /// What the holders of such certificates may do.
    pub role: Role,
}

/// TLS as it is now. Files that change replace it for connections to come, and for the certificates that clients have shown.
pub struct Tls {
    files: TlsFiles,
    in_use: RwLock<Arc<InUse>>,
}

impl TlsFiles {
    /// The server's certificate alone.
    pub fn new(certificate: PathBuf, key: PathBuf) -> Self {
        Self { certificate, key, clients: None, look_every: LOOK_EVERY }
    }
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// Which file is not as it should be, and why.
    pub fn open(files: TlsFiles) -> Result<Self, BadTlsFile> {
        let in_use = InUse::of(FilesRead::read(&files), jiff::Timestamp::now())?.not_without_authorities(&files)?;
        in_use.warn_of_its_end(&files, jiff::Timestamp::now());
        Ok(Self { files, in_use: RwLock::new(Arc::new(in_use)) })
    }

    /// Whether clients may show certificates.
    pub(crate) fn asks_clients(&self) -> bool {
        self.files.clients.is_some()
    }

    fn in_use(&self) -> Arc<InUse> {
        Arc::clone(&self.in_use.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, with: InUse) {
        *self.in_use.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(with);
    }
}

/// The key is never shown.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}

/// Checks that a certificate and a key, from files that these options name, belong together and are good now.
///
/// # Errors
/// Which file is not as it should be, and why.
pub fn check_pair(
    certificate: (&'static str, &std::path::Path),
    key: (&'static str, &std::path::Path),
) -> Result<(), BadTlsFile> {
    let read = |(option, file)| (pem_file::PemFile::new(option, file), pem_file::read(file));
    let ((certificate, its_text), (key, key_text)) = (read(certificate), read(key));
    pair::Pair::of((&certificate, its_text), (&key, key_text), jiff::Timestamp::now()).map(drop)
}
