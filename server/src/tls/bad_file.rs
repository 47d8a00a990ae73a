//! What can be wrong with a file of certificates or keys.

use std::path::PathBuf;

use jiff::Timestamp;

/// A file that can't be used. Its contents are never repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{option} {file}: {why}", file = .file.display())]
pub struct BadTlsFile {
    pub(super) option: &'static str,
    pub(super) file: PathBuf,
    pub(super) why: Why,
}

/// What is wrong with it, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Why {
    #[error("it can't be read ({0}): name a file that this user may read")]
    Unreadable(String),
    #[error(
        "there is no certificate in it: it must be PEM, with the certificate first and then those between it and its authority"
    )]
    NoCertificate,
    #[error("the certificate in it is broken ({0}): get it anew")]
    BrokenCertificate(String),
    #[error("there is no key in it: it must be PEM and hold the private key of the certificate")]
    NoKey,
    #[error(
        "the key in it is encrypted, and there is nobody to ask for the password: decrypt it, for example with `openssl pkey`"
    )]
    EncryptedKey,
    #[error("the key in it can't be used ({0}): make an ECDSA (P-256, P-384), Ed25519 or RSA (2048 bits or more) key")]
    UnusableKey(String),
    #[error("the key in it is the key of another certificate than the one in {0}: name the files of one pair")]
    OtherKey(String),
    #[error("the certificate in it has expired, at {0}: renew it")]
    Expired(Timestamp),
    #[error("the certificate in it is not yet valid, only from {0}: wait until then, or correct this machine's clock")]
    NotYetValid(Timestamp),
    #[error("there is no certificate of an authority in it: it must be PEM")]
    NoAuthority,
    #[error("every authority in it has expired: add the one that issues clients' certificates now")]
    ExpiredAuthorities,
}
