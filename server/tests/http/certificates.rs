//! An authority of the tests' own, the files of its certificates, and clients that trust it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use reqwest::{Certificate, Client, Identity};
use server::{ServerSettings, Tls, TlsClients, TlsFiles};
use tempfile::TempDir;
use workflows::access::Role;

/// Issues certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

/// A certificate and its key.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// What a certificate says.
pub(crate) struct Says<'a> {
    pub(crate) common_names: &'a [&'a str],
    pub(crate) dns: &'a [&'a str],
    pub(crate) from: i32,
    pub(crate) until: i32,
}

impl Default for Says<'_> {
    fn default() -> Self {
        Self { common_names: &["router"], dns: &[], from: 2020, until: 2100 }
    }
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        Self::until(name, 2100)
    }

    pub(crate) fn until(name: &str, year: i32) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    pub(crate) fn issue(&self, says: &Says<'_>) -> Pair {
        let names: Vec<String> = says.dns.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.distinguished_name = rcgen::DistinguishedName::new();
        for (number, name) in says.common_names.iter().enumerate() {
            // `rcgen` keeps one name of each kind; a second one needs its object identifier by hand.
            let kind = if number == 0 { DnType::CommonName } else { DnType::CustomDnType(vec![2, 5, 4, 3]) };
            params.distinguished_name.push(kind, *name);
        }
        params.not_before = date_time_ymd(says.from, 1, 1);
        params.not_after = date_time_ymd(says.until, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate").pem();
        Pair { certificate, key: key.serialize_pem() }
    }

    /// A certificate for a server at 127.0.0.1.
    pub(crate) fn server(&self) -> Pair {
        self.issue(&Says { common_names: &["realmctl"], dns: &["127.0.0.1"], ..Says::default() })
    }

    /// Trusts this authority alone, and shows this certificate.
    pub(crate) fn client(&self, shows: Option<&Pair>) -> Client {
        let authority = Certificate::from_pem(self.pem.as_bytes()).expect("a certificate");
        let builder = Client::builder().no_proxy().tls_certs_only([authority]);
        let builder = match shows {
            Some(pair) => {
                let both = format!("{}{}", pair.certificate, pair.key);
                builder.identity(Identity::from_pem(both.as_bytes()).expect("a certificate and its key"))
            }
            None => builder,
        };
        builder.build().expect("a client")
    }
}

/// The files of a server.
pub(crate) struct Files {
    folder: TempDir,
}

impl Files {
    pub(crate) fn new(pair: &Pair, clients: Option<&Authority>) -> Self {
        let files = Self { folder: tempfile::tempdir().expect("a folder") };
        files.write(pair);
        if let Some(authority) = clients {
            files.write_authorities(&authority.pem);
        }
        files
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Both at once, as secrets of Kubernetes change: links to a link to a folder, which is replaced.
    pub(crate) fn write(&self, pair: &Pair) {
        let version = tempfile::tempdir_in(self.folder.path()).expect("a folder").keep();
        std::fs::write(version.join("tls.crt"), &pair.certificate).expect("it is written");
        std::fs::write(version.join("tls.key"), &pair.key).expect("it is written");
        link(&version, &self.path("..data"));
        for name in ["tls.crt", "tls.key"] {
            link(&Path::new("..data").join(name), &self.path(name));
        }
    }

    pub(crate) fn write_authorities(&self, pem: &str) {
        std::fs::write(self.path("clients.pem"), pem).expect("it is written");
    }

    pub(crate) fn tls(&self, role: Option<Role>) -> TlsFiles {
        let clients = role.map(|role| TlsClients { authorities: self.path("clients.pem"), role });
        let look_every = Duration::from_millis(20);
        TlsFiles { clients, look_every, ..TlsFiles::new(self.path("tls.crt"), self.path("tls.key")) }
    }

    /// Settings with these files, and certificates of clients with that role.
    pub(crate) fn settings(&self, role: Option<Role>) -> ServerSettings {
        let tls = Tls::open(self.tls(role)).expect("good files");
        ServerSettings { tls: Some(Arc::new(tls)), ..ServerSettings::default() }
    }
}

/// Makes the link, or has the one that is there lead elsewhere, in one step.
fn link(to: &Path, at: &Path) {
    let mut beside = at.as_os_str().to_owned();
    beside.push(".next");
    std::os::unix::fs::symlink(to, &beside).expect("a link");
    std::fs::rename(beside, at).expect("it is put in place");
}
