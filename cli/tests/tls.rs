//! Servers that speak TLS, as the command line starts and asks them: whom a client trusts, what it shows, and what is said where that
//! fails.

mod common;

use std::path::{Path, PathBuf};

use common::{Up, command, realmctl, run};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use tempfile::TempDir;

/// An authority, with its files in a folder.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "an authority of one's own");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let folder = tempfile::tempdir().expect("a folder");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        std::fs::write(folder.path().join("ca.pem"), pem).expect("it is written");
        Self { issuer: Issuer::new(params, key), folder }
    }

    /// The files of a certificate that is good until that year, and of its key.
    fn issue(&self, name: &str, host: &str, until: i32) -> [String; 2] {
        let mut params = CertificateParams::new([host.to_owned()]).expect("a name");
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        [("crt", certificate.pem()), ("key", key.serialize_pem())].map(|(kind, text)| {
            let file = self.file(&format!("{name}.{kind}"));
            std::fs::write(&file, text).expect("it is written");
            shown(&file)
        })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn pem(&self) -> String {
        shown(&self.file("ca.pem"))
    }

    /// A server whose certificate is for that host.
    fn serve(&self, host: &str, more: &[&str]) -> Up {
        let [certificate, key] = self.issue(&format!("server-{host}"), host, 2100);
        let tls = ["--tls-cert", &certificate, "--tls-key", &key];
        Up::serve(&self.file(&format!("{host}.db")), &[&tls, more].concat())
    }
}

fn shown(file: &Path) -> String {
    file.to_str().expect("the path is UTF-8").to_owned()
}

#[test]
fn a_client_trusts_the_authority_that_it_is_told_of_and_says_why_it_trusts_no_other() {
    let (ours, other) = (Authority::new(), Authority::new());
    let server = ours.serve("127.0.0.1", &[]);
    assert!(server.url.starts_with("https://127.0.0.1:"), "{}", server.url);
    server.ask(&["pauses", "--ca-file", &ours.pem()]).ends_with(0);
    let mut by_variable = command(&["pauses", "--server", &server.url]);
    run(by_variable.env("REALMCTL_CA_FILE", ours.pem())).ends_with(0);
    for trusted in [&[][..], &["--ca-file", &other.pem()]] {
        let ran = server.ask(&[&["pauses"], trusted].concat()).ends_with(1);
        assert!(ran.stderr.contains("an authority that this machine does not trust"), "{ran:#?}");
        assert!(ran.stderr.contains("--ca-file") && ran.stderr.contains(&server.url), "{ran:#?}");
    }
    let ran = server.ask(&["pauses", "--ca-file", &ours.pem(), "--output", "json"]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    let plain = server.url.replace("https://", "http://");
    let ran = realmctl(&["pauses", "--server", &plain]).ends_with(3);
    assert!(ran.stderr.contains("this server speaks TLS"), "{ran:#?}");

    let elsewhere = ours.serve("elsewhere.example", &[]);
    let ran = elsewhere.ask(&["pauses", "--ca-file", &ours.pem()]).ends_with(1);
    assert!(ran.stderr.contains("for another name") && ran.stderr.contains("elsewhere.example"), "{ran:#?}");
    let without = Up::serve(&ours.file("plain.db"), &[]);
    let ran = realmctl(&["pauses", "--server", &without.url.replace("http://", "https://")]).ends_with(1);
    assert!(ran.stderr.contains("it does not speak TLS there"), "{ran:#?}");
    for (file, says) in [(ours.file("missing.pem"), "No such file"), (ours.file("plain.db"), "no certificate in it")] {
        let ran = server.ask(&["pauses", "--ca-file", &shown(&file)]).ends_with(2);
        assert!(ran.stderr.contains("--ca-file") && ran.stderr.contains(says), "{ran:#?}");
    }
}

#[test]
fn a_client_shows_its_certificate_and_is_known_by_it() {
    let (ours, other) = (Authority::new(), Authority::new());
    let server = ours.serve("127.0.0.1", &["--tls-client-ca", &ours.pem(), "--tls-client-role", "support"]);
    let with = |pair: &[String; 2], args: &[&str]| {
        let shows = ["--ca-file", &ours.pem(), "--client-cert", &pair[0], "--client-key", &pair[1]];
        server.ask(&[args, &shows].concat())
    };
    let router = ours.issue("router", "router.example", 2100);
    with(&router, &["pauses"]).ends_with(0);
    let ran = with(&router, &["token", "list"]).ends_with(3);
    assert!(ran.stderr.contains("certificate router may not do this: it has the role support"), "{ran:#?}");
    let trail = with(&router, &["audit", "list"]).ends_with(0).stdout;
    assert!(trail.contains("certificate router"), "{trail}");

    let ran = with(&ours.issue("jörg", "router.example", 2100), &["pauses"]).ends_with(3);
    assert!(ran.stderr.contains("1 to 64 printable ASCII characters"), "{ran:#?}");
    let ran = server.ask(&["pauses", "--ca-file", &ours.pem()]).ends_with(3);
    assert!(ran.stderr.contains("wants a token and none was given"), "{ran:#?}");
    let ran = with(&other.issue("router", "router.example", 2100), &["pauses"]).ends_with(1);
    assert!(ran.stderr.contains("it refuses the certificate that was shown"), "{ran:#?}");
    let [expired, key] = ours.issue("expired", "router.example", 2021);
    let ran = with(&[expired, key], &["pauses"]).ends_with(2);
    assert!(ran.stderr.contains("--client-cert") && ran.stderr.contains("has expired"), "{ran:#?}");
    let ran = server.ask(&["pauses", "--ca-file", &ours.pem(), "--client-cert", &router[0]]).ends_with(2);
    assert!(ran.stderr.contains("go together: give both"), "{ran:#?}");
}

#[test]
fn a_server_with_bad_files_does_not_start() {
    let ours = Authority::new();
    let [certificate, key] = ours.issue("server", "127.0.0.1", 2100);
    let [_, another] = ours.issue("another", "127.0.0.1", 2100);
    let [expired, its_key] = ours.issue("expired", "127.0.0.1", 2021);
    let store = format!("sqlite:{}", ours.file("bad.db").display());
    let serve = |more: &[&str]| realmctl(&[&["serve", "--store", &store, "--listen", "127.0.0.1:0"], more].concat());
    let pair = ["--tls-cert", &*certificate, "--tls-key", &*key];
    let with_ca = [&pair[..], &["--tls-client-ca", &*certificate]].concat();
    for (args, says) in [
        (&pair[..2], "--tls-key"),
        (&pair[2..], "--tls-cert"),
        (&["--tls-client-ca", &*certificate], "--tls-cert"),
        (&["--tls-cert", &certificate, "--tls-key", &another], "key of another certificate"),
        (&["--tls-cert", &expired, "--tls-key", &its_key], "has expired"),
        (&["--tls-cert", &key, "--tls-key", &key], "no certificate in it"),
        (&[&pair[..], &["--tls-client-ca", &key]].concat(), "no certificate of an authority"),
        (&[&pair[..], &["--tls-client-role", "viewer"]].concat(), "--tls-client-ca"),
        (&[&with_ca[..], &["--tls-client-role", "admin"]].concat(), "admins need a token"),
    ] {
        let ran = serve(args).ends_with(2);
        assert!(ran.stderr.contains(says) && !ran.stderr.contains("BEGIN"), "{says}: {ran:#?}");
    }
    assert!(!ours.file("bad.db").exists(), "nothing was begun");
    // Without a token, a certificate of its own does not make a public address safe.
    let ran = realmctl(&[&["serve", "--store", &store, "--listen", "0.0.0.0:0"], &pair[..]].concat()).ends_with(2);
    assert!(ran.stderr.contains("--tls-client-ca"), "{ran:#?}");
}
