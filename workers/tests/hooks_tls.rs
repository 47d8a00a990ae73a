//! Services with hooks are called over TLS: one whose certificate is by an authority that this machine trusts, a private one included,
//! and no other.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use common::*;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::PrivateKeyDer;
use testkit::HookService;
use testkit::hook_service::SECRET;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use workers::error::Treatment;
use workers::fitness::Needs;
use workers::place::Place;
use workers::{CredentialsFrom, HookSecrets, Movers, Settings};

/// Tell the child process where the service is, what it is to find (the code of a refusal, or nothing for none), and which file of
/// authorities it is to install once it has found that.
const CHILD_URL: &str = "WORKERS_TEST_TLS_URL";
const CHILD_CODE: &str = "WORKERS_TEST_TLS_CODE";
const CHILD_INSTALLS: &str = "WORKERS_TEST_TLS_INSTALLS";

/// An authority of one's own.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate, as SSL_CERT_FILE takes it.
    file: PathBuf,
}

impl Authority {
    fn new(folder: &Path, name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let file = folder.join(format!("{name}.pem"));
        std::fs::write(&file, params.self_signed(&key).unwrap().pem()).unwrap();
        Self { issuer: Issuer::new(params, key), file }
    }

    /// The sample service behind TLS, with a certificate for `host` until that year.
    async fn before(&self, service: &HookService, host: &str, year: i32) -> Front {
        let mut params = CertificateParams::new([host.to_owned()]).unwrap();
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config =
            rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
        Front::start(TlsAcceptor::from(Arc::new(config)), service.url()).await
    }
}

struct Front {
    url: String,
    _serving: JoinSet<()>,
}

impl Front {
    async fn start(tls: TlsAcceptor, behind: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let behind = behind.strip_prefix("http://").unwrap().to_owned();
        let (address, path) = behind.split_once('/').map_or((&*behind, ""), |(address, path)| (address, path));
        let url = format!("https://{}/{path}", listener.local_addr().unwrap());
        let address = address.to_owned();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (tls, address) = (tls.clone(), address.clone());
                connections.spawn(async move {
                    // Who does not trust us hangs up.
                    let Ok(mut stream) = tls.accept(stream).await else { return };
                    let mut service = TcpStream::connect(address).await.unwrap();
                    drop(tokio::io::copy_bidirectional(&mut stream, &mut service).await);
                });
            }
        });
        Self { url: url.trim_end_matches('/').to_owned(), _serving: serving }
    }
}

/// In the child, whose trusted authorities are those of SSL_CERT_FILE.
async fn call(url: &str, code: &str) {
    let place = |region: &str| Place::Hooks {
        region: region.to_owned(),
        url: url.to_owned(),
        secret: None,
        longest: Duration::from_secs(60),
    };
    let hook_secrets = HookSecrets::parse(&format!("default={SECRET}")).unwrap();
    let movers =
        Movers::new(CredentialsFrom::Fixed(testkit::region::credentials()), Settings { hook_secrets, ..settings() });
    let (from, to) = (place("us-east-1"), place("eu-west-1"));
    let ledger = Allows::writes();
    let permits = ledger.permits().of_generation(1);
    let copy = async || movers.copy(acme(&from, &to), &permits, &Kept::all(), None).await;
    let read_back = async |tally| movers.verify(acme(&from, &to), &tally, &Kept::all()).await.unwrap().read_back;
    let copied = copy().await;
    if code.is_empty() {
        assert_eq!(read_back(copied.unwrap()).await, 30);
        return;
    }
    let error = copied.unwrap_err();
    let treatment = if code == "no_certificate_authorities" { Treatment::Unfit } else { Treatment::Permanent };
    assert_eq!((error.code, error.treatment), (code, treatment), "{error:?}");
    assert!(error.message.contains("SSL_CERT_FILE"), "{error}");
    let before = movers.inspect(&from, "acme").await.unwrap_err();
    assert_eq!((before.code, before.treatment), (code, treatment), "in preflight: {before:?}");
    let needs = Needs { authorities: true, credentials: None };
    let lacks = movers.lacks(&needs, Some(code)).await;
    assert_eq!(lacks.is_some(), code == "no_certificate_authorities", "{lacks:?}");
    if let Some(installs) = std::env::var_os(CHILD_INSTALLS) {
        std::fs::copy(installs, std::env::var_os("SSL_CERT_FILE").unwrap()).unwrap();
        assert_eq!(movers.lacks(&needs, None).await, None, "it need not be started again");
        assert_eq!(read_back(copy().await.unwrap()).await, 30);
    }
}

/// Variables can't be changed safely in a process with threads, so the test runs itself again in a child with its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_called_over_tls_if_its_certificate_is_trusted() {
    if let (Ok(url), Ok(code)) = (std::env::var(CHILD_URL), std::env::var(CHILD_CODE)) {
        return call(&url, &code).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let [ours, other] = ["ours", "another"].map(|name| Authority::new(folder.path(), name));
    let missing = folder.path().join("missing.pem");
    let refused = "hook_certificate_refused";
    for (trusted, host, year, code) in [
        (&ours.file, "127.0.0.1", 2100, ""),
        (&other.file, "127.0.0.1", 2100, refused),
        (&ours.file, "editor.example", 2100, refused),
        (&ours.file, "127.0.0.1", 2001, refused),
        (&missing, "127.0.0.1", 2100, "no_certificate_authorities"),
    ] {
        let service = HookService::start(Duration::from_secs(300)).unwrap();
        service.fill("us-east-1", "acme", 30);
        let front = ours.before(&service, host, year).await;
        let what = format!("{} for {host} until {year}", trusted.display());
        call_in_child(&front.url, code, (trusted, None), &what).await;
        let arrived = service.pages("eu-west-1", "acme");
        let expected = if code.is_empty() { service.pages("us-east-1", "acme") } else { Default::default() };
        assert_eq!(arrived, expected, "{what}");
        assert_eq!(service.calls("start").is_empty(), !code.is_empty(), "{what}: it was told nothing");
    }
    let service = HookService::start(Duration::from_secs(300)).unwrap();
    service.fill("us-east-1", "acme", 30);
    call_in_child(&service.url(), "", (&missing, None), "plain HTTP, where nobody is trusted").await;

    let service = HookService::start(Duration::from_secs(300)).unwrap();
    service.fill("us-east-1", "acme", 30);
    let front = ours.before(&service, "127.0.0.1", 2100).await;
    let installs = (&*folder.path().join("later.pem"), Some(&*ours.file));
    call_in_child(&front.url, "no_certificate_authorities", installs, "installed meanwhile").await;
    assert_eq!(service.pages("eu-west-1", "acme"), service.pages("us-east-1", "acme"));
}

async fn call_in_child(url: &str, code: &str, (trusted, installs): (&Path, Option<&Path>), what: &str) {
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "a_service_is_called_over_tls_if_its_certificate_is_trusted"]);
    child.env(CHILD_URL, url).env(CHILD_CODE, code).env("SSL_CERT_FILE", trusted).env_remove("SSL_CERT_DIR");
    child.envs(installs.map(|file| (CHILD_INSTALLS, file)));
    let output = child.output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{what}: {said}");
}
