//! Files of certificates and keys: reading them, and taking them apart.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use super::bad_file::{BadTlsFile, Why};

/// The longest file; all authorities of a machine are some 250 kB.
const LONGEST: u64 = 4 << 20;

/// A file, and the option that names it.
#[derive(Debug, Clone)]
pub(super) struct PemFile {
    pub(super) option: &'static str,
    pub(super) file: PathBuf,
}

/// What is in a file, or why it can't be read.
pub(super) type Text = Result<Vec<u8>, String>;

/// Reads all of it. Whatever is no plain file, once links are followed, is refused: it could keep its reader waiting.
pub(super) fn read(file: &Path) -> Text {
    let read = || {
        if !std::fs::metadata(file)?.is_file() {
            return Err(io::Error::other("it is not a file"));
        }
        let mut text = Vec::new();
        File::open(file)?.take(LONGEST + 1).read_to_end(&mut text)?;
        if text.len() as u64 > LONGEST {
            return Err(io::Error::other("it is longer than any file of certificates"));
        }
        Ok(text)
    };
    read().map_err(|error| error.to_string())
}

impl PemFile {
    pub(super) fn new(option: &'static str, file: &Path) -> Self {
        Self { option, file: file.to_owned() }
    }

    pub(super) fn bad(&self, why: Why) -> BadTlsFile {
        BadTlsFile { option: self.option, file: self.file.clone(), why }
    }

    pub(super) fn text(&self, text: Text) -> Result<Vec<u8>, BadTlsFile> {
        text.map_err(|error| self.bad(Why::Unreadable(error)))
    }

    /// All certificates of a text.
    pub(super) fn certificates(&self, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, BadTlsFile> {
        let all: Result<_, _> = CertificateDer::pem_slice_iter(text).collect();
        all.map_err(|error| self.bad(Why::BrokenCertificate(error.to_string())))
    }

    /// From when until when a certificate is good.
    pub(super) fn validity(&self, certificate: &CertificateDer<'_>) -> Result<(Timestamp, Timestamp), BadTlsFile> {
        let broken = |error: &dyn std::fmt::Display| self.bad(Why::BrokenCertificate(error.to_string()));
        let (_, parsed) = X509Certificate::from_der(certificate).map_err(|error| broken(&error))?;
        let validity = parsed.validity();
        let at = |time: x509_parser::time::ASN1Time| {
            Timestamp::from_second(time.timestamp()).map_err(|error| broken(&error))
        };
        Ok((at(validity.not_before)?, at(validity.not_after)?))
    }
}
