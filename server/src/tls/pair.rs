//! A certificate and its key.

use jiff::Timestamp;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};

use super::bad_file::{BadTlsFile, Why};
use super::pem_file::{PemFile, Text};

/// A certificate and its key, which belong together and are good now.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) certified: CertifiedKey,
    /// Until when the certificate is good.
    pub(super) ends: Timestamp,
}

impl Pair {
    /// Takes both texts apart and compares.
    pub(super) fn of(
        (certificate, its_text): (&PemFile, Text),
        (key, key_text): (&PemFile, Text),
        now: Timestamp,
    ) -> Result<Self, BadTlsFile> {
        let chain = certificate.certificates(&certificate.text(its_text)?)?;
        let Some(own) = chain.first() else { return Err(certificate.bad(Why::NoCertificate)) };
        let (begins, ends) = certificate.validity(own)?;
        let secret = private_key(key, &key.text(key_text)?)?;
        let provider = rustls::crypto::ring::default_provider();
        let signs = provider.key_provider.load_private_key(secret);
        let signs = signs.map_err(|error| key.bad(Why::UnusableKey(error.to_string())))?;
        let certified = CertifiedKey::new(chain, signs);
        match certified.keys_match() {
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(Error::InconsistentKeys(_)) => {
                return Err(key.bad(Why::OtherKey(certificate.file.display().to_string())));
            }
            Err(error) => return Err(certificate.bad(Why::BrokenCertificate(error.to_string()))),
        }
        if now > ends {
            return Err(certificate.bad(Why::Expired(ends)));
        }
        if now < begins {
            return Err(certificate.bad(Why::NotYetValid(begins)));
        }
        Ok(Self { certified, ends })
    }
}

fn private_key(file: &PemFile, text: &[u8]) -> Result<PrivateKeyDer<'static>, BadTlsFile> {
    PrivateKeyDer::from_pem_slice(text).map_err(|error| {
        let says = |mark: &[u8]| text.windows(mark.len()).any(|part| part == mark);
        file.bad(match error {
            _ if says(b"BEGIN ENCRYPTED PRIVATE KEY") || says(b"Proc-Type: 4,ENCRYPTED") => Why::EncryptedKey,
            pem::Error::NoItemsFound => Why::NoKey,
            error => Why::UnusableKey(error.to_string()),
        })
    })
}
