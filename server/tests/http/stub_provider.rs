//! A small OpenID Connect provider for the tests of login. It signs what it is told to sign, also what no provider should.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};
use ring::hmac;
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A key that nothing but these tests uses. (ring makes no RSA keys.)
const RSA: &[u8] = include_bytes!("test_only_rsa_key.der");

pub(crate) const CLIENT: &str = "realmctl";
pub(crate) const SECRET: &str = "a secret & its + sign";

/// How the next token is made.
#[derive(Clone)]
pub(crate) struct Token {
    /// Put over the usual claims; null takes one away.
    pub(crate) claims: Value,
    pub(crate) sign: Sign,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    Rs256,
    Es256,
    /// With a key that is listed from now on.
    NewKey,
    /// With a key that is not listed.
    UnlistedKey,
    /// Says RS256, and is signed by another key under the name of the listed one.
    WrongKey,
    None,
    /// With the public key, as a secret.
    Hs256,
    /// Another claim than was signed.
    Touched,
}

/// What a browser asked for at `/authorize`.
struct Asked {
    nonce: String,
    challenge: String,
    redirect_uri: String,
    token: Token,
}

#[derive(Default)]
struct Known {
    codes: HashMap<String, Asked>,
    /// Names of the elliptic keys that are listed.
    listed: Vec<String>,
    made: u32,
    key_reads: u32,
    metadata: Value,
}

#[derive(Clone)]
struct Stub {
    issuer: String,
    elliptic: Arc<HashMap<String, EcdsaKeyPair>>,
    rsa: Arc<RsaKeyPair>,
    known: Arc<Mutex<Known>>,
}

pub(crate) struct Provider {
    stub: Stub,
    pub(crate) issuer: String,
    _serving: JoinSet<()>,
}

impl Provider {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let issuer = format!("http://{}", listener.local_addr().expect("it is bound"));
        let known = Known { listed: vec!["e1".to_owned()], metadata: json!({}), ..Known::default() };
        let elliptic = ["e1", "e2", "e3"].map(|name| (name.to_owned(), new_key()));
        let stub = Stub {
            issuer: issuer.clone(),
            elliptic: Arc::new(HashMap::from(elliptic)),
            rsa: Arc::new(RsaKeyPair::from_pkcs8(RSA).expect("a key")),
            known: Arc::new(Mutex::new(known)),
        };
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(metadata))
            .route("/keys", get(keys))
            .route("/token", post(token))
            .with_state(stub.clone());
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { stub, issuer, _serving: serving }
    }

    /// What it says of itself from now on, put over what is usual.
    pub(crate) fn says(&self, metadata: Value) {
        self.stub.known.lock().expect("no panic").metadata = metadata;
    }

    /// How often its keys were read.
    pub(crate) fn key_reads(&self) -> u32 {
        self.stub.known.lock().expect("no panic").key_reads
    }

    /// Somebody signs in at `url`, to which a browser was sent. Gives the address to which the browser goes then.
    pub(crate) fn sign_in(&self, url: &str, token: Token) -> String {
        let url = reqwest::Url::parse(url).expect("a URL");
        assert_eq!(url.path(), "/authorize");
        let query: HashMap<String, String> = url.query_pairs().into_owned().collect();
        for (name, value) in [("response_type", "code"), ("client_id", CLIENT), ("code_challenge_method", "S256")] {
            assert_eq!(query[name], value, "{name}");
        }
        assert!(query["scope"].split(' ').any(|scope| scope == "openid"), "{}", query["scope"]);
        assert!(query["state"].len() >= 43 && query["nonce"].len() >= 43 && query["state"] != query["nonce"]);
        let mut known = self.stub.known.lock().expect("no panic");
        known.made += 1;
        let code = format!("code{}", known.made);
        let asked = Asked {
            nonce: query["nonce"].clone(),
            challenge: query["code_challenge"].clone(),
            redirect_uri: query["redirect_uri"].clone(),
            token,
        };
        known.codes.insert(code.clone(), asked);
        format!("{}?code={code}&state={}", query["redirect_uri"], query["state"])
    }
}

fn new_key() -> EcdsaKeyPair {
    let random = SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).expect("a key")
}

async fn metadata(State(stub): State<Stub>) -> Json<Value> {
    let issuer = &stub.issuer;
    let mut said = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/keys"),
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
        "id_token_signing_alg_values_supported": ["RS256", "ES256"],
    });
    put_over(&mut said, &stub.known.lock().expect("no panic").metadata);
    Json(said)
}

async fn keys(State(stub): State<Stub>) -> Json<Value> {
    let mut known = stub.known.lock().expect("no panic");
    known.key_reads += 1;
    let public: PublicKeyComponents<Vec<u8>> = stub.rsa.public().into();
    let encoded = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let mut keys = vec![
        json!({ "kty": "OKP", "crv": "Ed25519", "kid": "other", "x": "AA" }),
        json!({ "kty": "RSA", "kid": "r1", "use": "sig", "alg": "RS256", "n": encoded(&public.n), "e": encoded(&public.e) }),
    ];
    for name in &known.listed {
        let point = stub.elliptic[name].public_key().as_ref();
        keys.push(json!({ "kty": "EC", "crv": "P-256", "kid": name, "x": encoded(&point[1..33]), "y": encoded(&point[33..]) }));
    }
    Json(json!({ "keys": keys }))
}

async fn token(State(stub): State<Stub>, headers: HeaderMap, form: String) -> (StatusCode, Json<Value>) {
    let refused = |code: &str| (StatusCode::BAD_REQUEST, Json(json!({ "error": code, "error_description": form })));
    let form: HashMap<String, String> = form_urlencoded::parse(form.as_bytes()).into_owned().collect();
    // As RFC 6749, 2.3.1 has it: both encoded as in a form.
    let client = STANDARD.encode("realmctl:a+secret+%26+its+%2B+sign");
    let expected = format!("Basic {client}");
    if headers.get("authorization").is_none_or(|given| given.as_bytes() != expected.as_bytes()) {
        return refused("invalid_client");
    }
    let Some(asked) = stub.known.lock().expect("no panic").codes.remove(&form["code"]) else {
        return refused("invalid_grant");
    };
    let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, form["code_verifier"].as_bytes()));
    if challenge != asked.challenge
        || form["redirect_uri"] != asked.redirect_uri
        || form["grant_type"] != "authorization_code"
    {
        return refused("invalid_grant");
    }
    let now = jiff::Timestamp::now().as_second();
    let mut claims = json!({ "iss": stub.issuer, "aud": CLIENT, "sub": "4711", "nonce": asked.nonce, "iat": now, "exp": now + 60,
                             "email": "kim@example.com", "groups": ["ops"] });
    put_over(&mut claims, &asked.token.claims);
    (
        StatusCode::OK,
        Json(
            json!({ "access_token": "x", "token_type": "Bearer", "id_token": stub.signed(&claims, asked.token.sign) }),
        ),
    )
}

impl Stub {
    fn signed(&self, claims: &Value, sign: Sign) -> String {
        let (alg, kid, key) = match sign {
            Sign::Rs256 | Sign::Touched => ("RS256", "r1", ""),
            Sign::Es256 => ("ES256", "e1", "e1"),
            Sign::NewKey => {
                self.known.lock().expect("no panic").listed.push("e2".to_owned());
                ("ES256", "e2", "e2")
            }
            Sign::UnlistedKey => ("ES256", "e3", "e3"),
            Sign::WrongKey => ("ES256", "e1", "e3"),
            Sign::None => ("none", "r1", ""),
            Sign::Hs256 => ("HS256", "r1", ""),
        };
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&json!({ "alg": alg, "kid": kid, "typ": "JWT" })), part(claims));
        let signature = match sign {
            Sign::None => Vec::new(),
            Sign::Hs256 => {
                let public: PublicKeyComponents<Vec<u8>> = self.rsa.public().into();
                hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &public.n), signed.as_bytes()).as_ref().to_vec()
            }
            Sign::Rs256 | Sign::Touched => {
                let mut signature = vec![0; self.rsa.public().modulus_len()];
                let random = SystemRandom::new();
                self.rsa.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature).expect("signed");
                signature
            }
            _ => {
                let random = SystemRandom::new();
                self.elliptic[key].sign(&random, signed.as_bytes()).expect("signed").as_ref().to_vec()
            }
        };
        let signature = URL_SAFE_NO_PAD.encode(signature);
        if sign == Sign::Touched {
            let mut other = claims.clone();
            other["groups"] = json!(["admins"]);
            let (header, _) = signed.split_once('.').expect("two parts");
            return format!("{header}.{}.{signature}", part(&other));
        }
        format!("{signed}.{signature}")
    }
}

fn put_over(value: &mut Value, changes: &Value) {
    for (name, change) in changes.as_object().into_iter().flatten() {
        value[name] = change.clone();
    }
}
