//! What the files came to when they were last good.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use rustls::ServerConfig;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::SingleCertAndKey;
use tracing::{error, warn};

use super::TlsFiles;
use super::authorities::Authorities;
use super::bad_file::{BadTlsFile, Why};
use super::pair::Pair;
use super::pem_file::{PemFile, Text, read};

/// The end of a certificate is told this long before.
const TELL_BEFORE: SignedDuration = SignedDuration::from_hours(14 * 24);

/// The one protocol that is spoken within.
const HTTP1: &[u8] = b"http/1.1";

/// The files' texts.
pub(super) struct FilesRead {
    certificate: (PemFile, Text),
    key: (PemFile, Text),
    authorities: Option<(PemFile, Text)>,
}

/// A certificate with its key, and the authorities of clients.
#[derive(Debug)]
pub(super) struct InUse {
    pub(super) config: Arc<ServerConfig>,
    /// Checks clients' certificates; none: they can't show any.
    pub(super) verifier: Option<Arc<dyn ClientCertVerifier>>,
    /// Tells the texts apart that it was made of.
    pub(super) mark: blake3::Hash,
    /// Until when the server's certificate is good.
    ends: Timestamp,
    /// When an authority of clients expires next.
    authority_ends: Option<Timestamp>,
}

impl FilesRead {
    pub(super) fn read(files: &TlsFiles) -> Self {
        let read = |option, file| (PemFile::new(option, file), read(file));
        Self {
            certificate: read("--tls-cert", &files.certificate),
            key: read("--tls-key", &files.key),
            authorities: files.clients.as_ref().map(|clients| read("--tls-client-ca", &clients.authorities)),
        }
    }

    /// Differs if any of the texts does.
    pub(super) fn mark(&self) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        for (_, text) in [&self.certificate, &self.key].into_iter().chain(&self.authorities) {
            let (kind, text) = match text {
                Ok(text) => (0, text.as_slice()),
                Err(error) => (1, error.as_bytes()),
            };
            hasher.update(&[kind]).update(&(text.len() as u64).to_le_bytes()).update(text);
        }
        hasher.finalize()
    }
}

impl InUse {
    pub(super) fn of(read: FilesRead, now: Timestamp) -> Result<Self, BadTlsFile> {
        let mark = read.mark();
        let ((certificate, its_text), (key, key_text)) = (read.certificate, read.key);
        let Pair { certified, ends } = Pair::of((&certificate, its_text), (&key, key_text), now)?;
        let authorities = match read.authorities {
            Some((file, text)) => Some(Authorities::of(&file, &file.text(text)?, now)?),
            None => None,
        };
        if let Some(expired) = authorities.as_ref().map(|all| all.expired).filter(|expired| *expired > 0) {
            warn!(expired, "authorities of --tls-client-ca have expired: certificates that they issued let nobody in");
        }
        let (verifier, authority_ends) =
            authorities.map_or((None, None), |authorities| (authorities.verifier, authorities.first_end));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.map_err(|error| certificate.bad(Why::BrokenCertificate(error.to_string())))?;
        let mut config = config
            .with_client_cert_verifier(verifier.clone().unwrap_or_else(WebPkiClientVerifier::no_client_auth))
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        config.alpn_protocols = vec![HTTP1.to_vec()];
        if verifier.is_some() {
            // A session that is resumed would not be asked for its certificate again.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Ok(Self { config: Arc::new(config), verifier, mark, ends, authority_ends })
    }

    /// At the start, authorities of which none is good are a mistake; later they are not, and let nobody in.
    pub(super) fn not_without_authorities(self, files: &TlsFiles) -> Result<Self, BadTlsFile> {
        match &files.clients {
            Some(clients) if self.verifier.is_none() => {
                Err(PemFile::new("--tls-client-ca", &clients.authorities).bad(Why::ExpiredAuthorities))
            }
            _ => Ok(self),
        }
    }

    /// Whether it would come out differently now, from the same files.
    pub(super) fn lost_an_authority(&self, now: Timestamp) -> bool {
        self.authority_ends.is_some_and(|ends| ends < now)
    }

    /// Tells the log if the certificate ends soon; whether it did.
    pub(super) fn warn_of_its_end(&self, files: &TlsFiles, now: Timestamp) -> bool {
        let file = files.certificate.display();
        let (ends, left) = (self.ends, self.ends.duration_since(now));
        if left.is_negative() {
            error!(%file, %ends, "the server's certificate has expired, and clients refuse it: renew it in this file");
        } else if left < TELL_BEFORE {
            let days = left.as_hours() / 24;
            warn!(%file, %ends, days, "the server's certificate ends soon: renew it in this file, which is read again");
        }
        left < TELL_BEFORE
    }
}
