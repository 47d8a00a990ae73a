//! TLS of the API: what it speaks, how its certificate is renewed, and who gets in by a certificate.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, Method, StatusCode};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::json;
use server::api::{AuditView, CreatedToken, Page};
use server::{BadTlsFile, ServerSettings, Tls};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use workflows::access::{Role, TokenKeys};

use crate::certificates::{Authority, Files, Pair, Says};
use crate::harness::{Answer, Api, SOON};

const TOKEN: &str = "the-servers-own-token";

/// A server that speaks TLS, and its authority.
async fn api_with(files: &Files, settings: ServerSettings) -> Api {
    let mut api = Api::with(settings).await;
    api.base = api.base.replace("http://", "https://");
    // Nobody uses it by mistake.
    assert!(files.path("tls.crt").exists());
    api
}

async fn ask(api: &Api, client: &Client, method: Method, path: &str, token: Option<&str>) -> Answer {
    let request = client.request(method, format!("{}{path}", api.base)).timeout(SOON);
    Answer::of(match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    })
    .await
}

async fn get(api: &Api, client: &Client, path: &str) -> Answer {
    ask(api, client, Method::GET, path, None).await
}

/// Whether the handshake, or what follows it at once, fails.
async fn is_turned_away(api: &Api, client: &Client) -> bool {
    client.get(format!("{}/healthz", api.base)).timeout(SOON).send().await.is_err()
}

fn address(api: &Api) -> String {
    api.base.split("//").nth(1).expect("an address").to_owned()
}

/// The certificate that the server shows to a new connection, and the versions and protocol that were agreed upon.
async fn shown(
    api: &Api,
    authority: &Authority,
    version: &'static rustls::SupportedProtocolVersion,
) -> (CertificateDer<'static>, Option<Vec<u8>>) {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).expect("PEM")).expect("an authority");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]);
    let mut config = config.expect("a version").with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let stream = TcpStream::connect(address(api)).await.expect("it listens");
    let name = ServerName::try_from("127.0.0.1").expect("a name");
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect("a handshake");
    let (_, session) = stream.get_ref();
    let certificate = session.peer_certificates().expect("it has one")[0].clone();
    (certificate, session.alpn_protocol().map(<[u8]>::to_vec))
}

fn first(pair: &Pair) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pair.certificate.as_bytes()).expect("PEM")
}

/// Until the server shows this certificate to new connections.
async fn wait_until_shown(api: &Api, authority: &Authority, pair: &Pair) {
    let shown = async { while shown(api, authority, &rustls::version::TLS13).await.0 != first(pair) {} };
    tokio::time::timeout(SOON, shown).await.expect("it is read again");
}

#[tokio::test(flavor = "multi_thread")]
async fn both_versions_are_spoken_and_plain_http_is_told_so() {
    let authority = Authority::new("ours");
    let pair = authority.server();
    let files = Files::new(&pair, None);
    let api = api_with(&files, files.settings(None)).await;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let (certificate, protocol) = shown(&api, &authority, version).await;
        assert_eq!((certificate, protocol.as_deref()), (first(&pair), Some(&b"http/1.1"[..])), "{version:?}");
    }
    let client = authority.client(None);
    get(&api, &client, "/healthz").await.expect(StatusCode::OK);
    get(&api, &client, "/v1/pauses").await.expect(StatusCode::OK);

    let plain = Answer::of(api.http.get(format!("http://{}/v1/pauses", address(&api)))).await;
    let problem = plain.problem(StatusCode::BAD_REQUEST, "tls_required");
    assert!(problem.detail.contains("https://"), "{}", problem.detail);

    let stranger = Authority::new("another").client(None);
    assert!(is_turned_away(&api, &stranger).await, "it trusts somebody else");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_used_and_open_connections_go_on() {
    let authority = Authority::new("ours");
    let (old, new) = (authority.server(), authority.server());
    let files = Files::new(&old, None);
    let api = api_with(&files, files.settings(None)).await;
    let mut kept = connected(&api, &authority).await;
    kept.answers().await;
    files.write(&new);
    wait_until_shown(&api, &authority, &new).await;
    kept.answers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pair_that_can_not_be_used_does_not_replace_one_that_can() {
    let authority = Authority::new("ours");
    let (old, other, new) = (authority.server(), authority.server(), authority.server());
    let files = Files::new(&old, Some(&authority));
    let api = api_with(&files, files.settings(Some(Role::Viewer))).await;
    let expired = authority.issue(&Says { dns: &["127.0.0.1"], until: 2021, ..Says::default() });
    let mixed = Pair { certificate: other.certificate.clone(), key: new.key.clone() };
    let half = Pair { certificate: new.certificate[..200].to_owned(), key: new.key.clone() };
    for bad in [mixed, expired, half, Pair { certificate: String::new(), key: String::new() }] {
        files.write(&bad);
        assert_eq!(shown(&api, &authority, &rustls::version::TLS13).await.0, first(&old));
    }
    std::fs::remove_file(files.path("tls.crt")).expect("it was there");
    assert_eq!(shown(&api, &authority, &rustls::version::TLS13).await.0, first(&old));
    files.write(&new);
    wait_until_shown(&api, &authority, &new).await;
}

#[test]
fn at_the_start_a_bad_file_is_named_with_what_is_wrong_with_it() {
    let authority = Authority::new("ours");
    let (pair, other) = (authority.server(), authority.server());
    let of = |certificate: &str, key: &str| Pair { certificate: certificate.to_owned(), key: key.to_owned() };
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIBpjBABgkqhkiG9w0BBQ0wMzAbBgkqhkiG9w0BBQww\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let legacy = pair.key.replace("KEY-----\n", "KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n");
    let expired = authority.issue(&Says { until: 2021, ..Says::default() });
    let early = authority.issue(&Says { from: 2099, ..Says::default() });
    let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (pair, option, says) in [
        (of("", &pair.key), "--tls-cert", "no certificate in it"),
        (of(&pair.key, &pair.key), "--tls-cert", "no certificate in it"),
        (of(nonsense, &pair.key), "--tls-cert", "is broken"),
        (of(&pair.certificate, ""), "--tls-key", "no key in it"),
        (of(&pair.certificate, &pair.certificate), "--tls-key", "no key in it"),
        (of(&pair.certificate, encrypted), "--tls-key", "is encrypted"),
        (of(&pair.certificate, &legacy), "--tls-key", "is encrypted"),
        (of(&pair.certificate, &other.key), "--tls-key", "key of another certificate"),
        (expired, "--tls-cert", "has expired, at 2021-01-01"),
        (early, "--tls-cert", "not yet valid, only from 2099-01-01"),
    ] {
        let error = refused(&Files::new(&pair, None), None).to_string();
        assert!(error.starts_with(option) && error.contains(says), "{option} {says}: {error}");
        assert!(!error.contains("BEGIN") && !error.contains("MII"), "{error}");
    }
    let missing = Files::new(&pair, None);
    let error = refused(&missing, Some(Role::Viewer)).to_string();
    assert!(error.starts_with("--tls-client-ca") && error.contains("can't be read"), "{error}");
    missing.write_authorities(&Authority::until("of old", 2021).pem);
    let error = refused(&missing, Some(Role::Viewer)).to_string();
    assert!(error.contains("every authority in it has expired"), "{error}");
    std::fs::remove_file(missing.path("tls.key")).expect("it was there");
    std::fs::create_dir(missing.path("tls.key")).expect("a folder in its place");
    let error = refused(&missing, None).to_string();
    assert!(error.starts_with("--tls-key") && error.contains("it is not a file"), "{error}");
}

fn refused(files: &Files, role: Option<Role>) -> BadTlsFile {
    Tls::open(files.tls(role)).expect_err("it is refused")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_lets_in_with_its_role_and_the_trail_names_it() {
    let (ours, clients) = (Authority::new("ours"), Authority::new("clients"));
    let files = Files::new(&ours.server(), Some(&clients));
    let settings =
        ServerSettings { token: Some(TOKEN.parse().expect("a token")), ..files.settings(Some(Role::Oncall)) };
    let api = api_with(&files, settings).await;
    let router = ours.client(Some(&clients.issue(&Says::default())));
    let nobody = ours.client(None);
    get(&api, &router, "/v1/pauses").await.expect(StatusCode::OK);
    let without = get(&api, &nobody, "/v1/pauses").await;
    let problem = without.problem(StatusCode::UNAUTHORIZED, "unauthorized");
    assert!(problem.detail.contains("certificate"), "{}", problem.detail);

    let forbidden = get(&api, &router, "/v1/tokens").await.problem(StatusCode::FORBIDDEN, "forbidden");
    assert!(forbidden.detail.starts_with("certificate router may not do this"), "{}", forbidden.detail);
    let pause = router.post(format!("{}/v1/pause", api.base)).json(&json!({ "reason": "a test" }));
    Answer::of(pause.header("X-Realmctl-User", "sam")).await.expect(StatusCode::OK);
    let named = nobody.post(format!("{}/v1/resume", api.base)).bearer_auth(TOKEN).json(&json!({ "reason": "a test" }));
    Answer::of(named.header("X-Realmctl-User", "certificate router")).await.expect(StatusCode::OK);
    let trail: Page<AuditView> = ask(&api, &nobody, Method::GET, "/v1/audit", Some(TOKEN)).await.json();
    let who: Vec<(&str, &str, &str)> =
        trail.items.iter().map(|entry| (&*entry.action, &*entry.who, &*entry.origin)).collect();
    assert!(who.contains(&("request.refused", "unknown", "127.0.0.1")), "{who:?}");
    assert!(who.contains(&("request.refused", "certificate router", "127.0.0.1")), "{who:?}");
    assert!(who.contains(&("all.pause", "certificate router (sam)", "127.0.0.1")), "{who:?}");
    assert!(who.contains(&("all.resume", "server token (certificate router)", "127.0.0.1")), "{who:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_counts_alone_whatever_certificate_is_shown() {
    let ours = Authority::new("ours");
    let files = Files::new(&ours.server(), Some(&ours));
    let keys = TokenKeys::parse("a-key-of-this-test\n").expect("a key");
    let settings = ServerSettings {
        token: Some(TOKEN.parse().expect("a token")),
        token_keys: Arc::new(keys),
        ..files.settings(Some(Role::Viewer))
    };
    let api = api_with(&files, settings).await;
    let router = ours.client(Some(&ours.issue(&Says::default())));
    let new = router.post(format!("{}/v1/tokens", api.base)).bearer_auth(TOKEN);
    let new = Answer::of(new.json(&json!({ "name": "kim", "role": "provisioner" }))).await;
    let kim: CreatedToken = new.expect(StatusCode::CREATED).json();
    let kims = |method, path| ask(&api, &router, method, path, Some(&kim.secret));
    kims(Method::GET, "/v1/tenants").await.expect(StatusCode::OK);
    kims(Method::GET, "/v1/pauses").await.problem(StatusCode::FORBIDDEN, "forbidden");
    get(&api, &router, "/v1/pauses").await.expect(StatusCode::OK);
    let revoke = router.delete(format!("{}/v1/tokens/kim", api.base)).bearer_auth(TOKEN).json(&json!({}));
    Answer::of(revoke).await.expect(StatusCode::OK);
    kims(Method::GET, "/v1/tenants").await.problem(StatusCode::UNAUTHORIZED, "token_revoked");
    ask(&api, &router, Method::GET, "/v1/tenants", Some("nonsense"))
        .await
        .problem(StatusCode::UNAUTHORIZED, "unauthorized");
    let basic = router.get(format!("{}/v1/tenants", api.base)).basic_auth("kim", Some("secret"));
    Answer::of(basic).await.problem(StatusCode::UNAUTHORIZED, "unauthorized");
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_from_elsewhere_or_expired_fail_the_handshake() {
    let (ours, other) = (Authority::new("ours"), Authority::new("another"));
    let files = Files::new(&ours.server(), Some(&ours));
    let api = api_with(&files, files.settings(Some(Role::Viewer))).await;
    for (authority, says, is_refused) in [
        (&ours, Says::default(), false),
        (&other, Says::default(), true),
        (&ours, Says { until: 2021, ..Says::default() }, true),
        (&ours, Says { from: 2099, ..Says::default() }, true),
    ] {
        let client = ours.client(Some(&authority.issue(&says)));
        assert_eq!(is_turned_away(&api, &client).await, is_refused, "from {} until {}", says.from, says.until);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_token_certificates_close_the_server() {
    let ours = Authority::new("ours");
    let files = Files::new(&ours.server(), Some(&ours));
    let api = api_with(&files, files.settings(Some(Role::Viewer))).await;
    let nobody = ours.client(None);
    get(&api, &nobody, "/healthz").await.expect(StatusCode::OK);
    get(&api, &nobody, "/v1/pauses").await.problem(StatusCode::UNAUTHORIZED, "unauthorized");
    let guessed = ask(&api, &nobody, Method::GET, "/v1/pauses", Some("guessed")).await;
    guessed.problem(StatusCode::UNAUTHORIZED, "unauthorized");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_can_not_stand_in_the_trail_let_nobody_in() {
    let ours = Authority::new("ours");
    let files = Files::new(&ours.server(), Some(&ours));
    let api = api_with(&files, files.settings(Some(Role::Viewer))).await;
    let long = "x".repeat(65);
    let whole = "x".repeat(64);
    for (common_names, dns, good) in [
        (&["router-1"][..], &[][..], true),
        (&["Router 1 (eu)"], &["other.example"], true),
        (&[], &["router.example", "other.example"], true),
        (&[&*whole], &[], true),
        (&[&*long], &[], false),
        (&["röuter"], &["router.example"], false),
        (&["rou\nter"], &["router.example"], false),
        (&[""], &["router.example"], false),
        (&["one", "two"], &[], false),
        (&[], &[], false),
    ] {
        let client = ours.client(Some(&ours.issue(&Says { common_names, dns, ..Says::default() })));
        let answer = get(&api, &client, "/v1/pauses").await;
        if good {
            answer.expect(StatusCode::OK);
        } else {
            answer.problem(StatusCode::UNAUTHORIZED, "invalid_certificate_name");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_is_taken_away_lets_nobody_in_any_more() {
    let (ours, next) = (Authority::new("ours"), Authority::new("next"));
    let files = Files::new(&ours.server(), Some(&ours));
    let api = api_with(&files, files.settings(Some(Role::Viewer))).await;
    let [old, new] = [&ours, &next].map(|authority| ours.client(Some(&authority.issue(&Says::default()))));
    get(&api, &old, "/v1/pauses").await.expect(StatusCode::OK);
    assert!(is_turned_away(&api, &new).await);
    // Nonsense takes nothing away.
    files.write_authorities("");
    get(&api, &old, "/v1/pauses").await.expect(StatusCode::OK);
    files.write_authorities(&next.pem);
    let replaced = async { while is_turned_away(&api, &new).await {} };
    tokio::time::timeout(SOON, replaced).await.expect("it is read again");
    get(&api, &new, "/v1/pauses").await.expect(StatusCode::OK);
    // Its connection is still open.
    get(&api, &old, "/v1/pauses").await.problem(StatusCode::UNAUTHORIZED, "certificate_refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_handshakes_make_room_and_end_in_time() {
    const MOST: usize = 4;
    let ours = Authority::new("ours");
    let files = Files::new(&ours.server(), Some(&ours));
    let api = api_with(&files, ServerSettings { connections: MOST, ..files.settings(Some(Role::Viewer)) }).await;
    let router = ours.client(Some(&ours.issue(&Says::default())));
    get(&api, &router, "/v1/pauses").await.expect(StatusCode::OK);
    let mut silent = Vec::new();
    for _ in 0..4 * MOST {
        let mut stream = TcpStream::connect(address(&api)).await.expect("it listens");
        // The beginning of a handshake.
        stream.write_all(&[0x16, 3, 1, 2]).await.expect("it is open");
        silent.push(stream);
    }
    get(&api, &router, "/v1/pauses").await.expect(StatusCode::OK);
    ended(&mut silent[0]).await;

    let quick = ServerSettings { headers_within: Duration::from_millis(500), ..files.settings(None) };
    let api = api_with(&files, quick).await;
    for begins in [&[][..], &[0x16, 3, 1, 2]] {
        let mut slow = TcpStream::connect(address(&api)).await.expect("it listens");
        slow.write_all(begins).await.expect("it is open");
        ended(&mut slow).await;
    }
}

async fn ended(stream: &mut TcpStream) {
    let mut told = Vec::new();
    let ended = tokio::time::timeout(SOON, stream.read_to_end(&mut told)).await.expect("the server ends it");
    assert!(ended.is_err() || told.is_empty(), "{told:?}");
}

/// A connection of one's own.
struct Kept(tokio_rustls::client::TlsStream<TcpStream>, String);

async fn connected(api: &Api, authority: &Authority) -> Kept {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).expect("PEM")).expect("an authority");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("versions").with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(address(api)).await.expect("it listens");
    let name = ServerName::try_from("127.0.0.1").expect("a name");
    Kept(TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect("a handshake"), address(api))
}

impl Kept {
    async fn answers(&mut self) {
        let request = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n", self.1);
        self.0.write_all(request.as_bytes()).await.expect("it is open");
        let mut answer = [0; 15];
        self.0.read_exact(&mut answer).await.expect("it answers");
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
        let mut rest = Vec::new();
        while !String::from_utf8_lossy(&rest).contains("\r\n\r\nok") {
            assert_ne!(self.0.read_buf(&mut rest).await.expect("it goes on"), 0, "{rest:?}");
        }
    }
}
