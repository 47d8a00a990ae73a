//! What an ID token has to claim (OpenID Connect Core, 3.1.3.7), and who it says that somebody is.

use serde_json::Value;

use super::id_token::Signed;

/// How far the provider's clock may differ from this one, in seconds.
const SKEW_S: i64 = 60;

/// An ID token for a login is made at its end, and used at once: seconds.
const FRESH_FOR_S: i64 = 600;

/// What the audit trail calls realmctl itself, and those who are not known.
const OURS: [&str; 3] = ["realmctl", "anonymous", "unknown"];

/// The longest name.
const NAME_MAX: usize = 128;

/// The longest subject (OpenID Connect Core, 2).
const SUBJECT_MAX: usize = 255;

/// Groups beyond this are not looked at.
const GROUPS_MAX: usize = 10_000;

/// What a token for this login has to say.
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    pub(super) groups_claim: &'a str,
    /// In seconds since the epoch.
    pub(super) now: i64,
}

/// Somebody whom the provider has vouched for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Proved {
    pub(super) subject: String,
    /// The address of mail if it is not said to be unverified, else the subject.
    pub(super) name: String,
    pub(super) groups: Vec<String>,
}

/// Checks everything. The words say what does not fit, and repeat nothing of the token.
pub(super) fn check(Signed(claims): &Signed, expected: &Expected<'_>) -> Result<Proved, &'static str> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if text("iss") != Some(expected.issuer) {
        return Err("the ID token is of another issuer");
    }
    let audiences = texts(claims.get("aud"));
    if !audiences.iter().any(|audience| audience == expected.client_id) {
        return Err("the ID token is for another client");
    }
    // Whom it was made for, where it is for several.
    let for_us = match claims.get("azp") {
        Some(party) => party.as_str() == Some(expected.client_id),
        None => audiences.len() == 1,
    };
    if !for_us {
        return Err("the ID token was made for another client (azp)");
    }
    if text("nonce") != Some(expected.nonce) {
        return Err("the ID token is of another login (nonce)");
    }
    let time = |name: &str| claims.get(name).and_then(Value::as_f64);
    let now = expected.now as f64;
    let (skew, fresh) = (SKEW_S as f64, FRESH_FOR_S as f64);
    if time("exp").is_none_or(|end| end + skew <= now) {
        return Err("the ID token has expired");
    }
    if time("iat").is_none_or(|at| at > now + skew || at + fresh + skew < now) {
        return Err("the ID token was not made just now (iat): compare the clocks of both machines");
    }
    if claims.get("nbf").is_some_and(|begin| begin.as_f64().is_none_or(|begin| begin > now + skew)) {
        return Err("the ID token is not good yet");
    }
    let subject = text("sub").filter(|subject| is_plain(subject, SUBJECT_MAX));
    let subject = subject.ok_or("the ID token does not say whom it is about (sub)")?.to_owned();
    let mut groups = texts(claims.get(expected.groups_claim));
    groups.truncate(GROUPS_MAX);
    let verified = claims.get("email_verified").is_none_or(|verified| verified.as_bool() == Some(true));
    let mail = text("email").filter(|mail| verified && mail.contains('@') && is_plain(mail, NAME_MAX));
    Ok(Proved { name: name_of(mail.unwrap_or(&subject)), subject, groups })
}

/// What the audit trail calls somebody; nobody is called as realmctl is, nor has a name that is too long for it.
fn name_of(text: &str) -> String {
    let short: String = text.chars().take(NAME_MAX).collect();
    if OURS.contains(&short.as_str()) { format!("person {short}") } else { short }
}

fn is_plain(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// One text, or a list of them.
fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn claims() -> Value {
        json!({ "iss": "https://login.example", "aud": "realmctl", "sub": "4711", "nonce": "n", "iat": NOW - 1, "exp": NOW + 60,
                "email": "kim@example.com", "groups": ["ops"] })
    }

    fn checked(changes: &Value) -> Result<Proved, &'static str> {
        let mut claims = claims();
        for (name, value) in changes.as_object().expect("an object") {
            claims[name] = value.clone();
        }
        let Value::Object(claims) = claims else { panic!("an object") };
        let expected = Expected {
            issuer: "https://login.example",
            client_id: "realmctl",
            nonce: "n",
            groups_claim: "groups",
            now: NOW,
        };
        check(&Signed(claims), &expected)
    }

    #[test]
    fn a_token_for_this_login_is_taken() {
        let proved = checked(&json!({})).expect("it fits");
        assert_eq!((proved.name.as_str(), proved.subject.as_str()), ("kim@example.com", "4711"));
        assert_eq!(proved.groups, ["ops"]);
        for good in [
            json!({ "aud": ["realmctl"] }),
            json!({ "aud": ["realmctl", "other"], "azp": "realmctl" }),
            json!({ "exp": NOW - 59 }),
            json!({ "iat": NOW + 59 }),
            json!({ "iat": (NOW as f64) - 0.5 }),
            json!({ "nbf": NOW }),
        ] {
            checked(&good).unwrap_or_else(|why| panic!("{good}: {why}"));
        }
    }

    #[test]
    fn one_that_does_not_fit_is_refused_in_words() {
        for (changes, says) in [
            (json!({ "iss": "https://login.example/" }), "issuer"),
            (json!({ "iss": null }), "issuer"),
            (json!({ "aud": "other" }), "another client"),
            (json!({ "aud": [] }), "another client"),
            (json!({ "aud": ["realmctl", "other"] }), "azp"),
            (json!({ "aud": ["realmctl", "other"], "azp": "other" }), "azp"),
            (json!({ "azp": "other" }), "azp"),
            (json!({ "azp": 5 }), "azp"),
            (json!({ "nonce": "m" }), "nonce"),
            (json!({ "nonce": null }), "nonce"),
            (json!({ "exp": NOW - 60 }), "expired"),
            (json!({ "exp": "never" }), "expired"),
            (json!({ "iat": NOW + 61 }), "just now"),
            (json!({ "iat": NOW - 661 }), "just now"),
            (json!({ "iat": null }), "just now"),
            (json!({ "nbf": NOW + 61 }), "not good yet"),
            (json!({ "sub": "" }), "sub"),
            (json!({ "sub": "a b" }), "sub"),
        ] {
            let why = checked(&changes).expect_err(&changes.to_string());
            assert!(why.contains(says), "{changes}: {why}");
        }
    }

    #[test]
    fn a_name_is_a_verified_address_or_the_subject_and_never_one_of_ours() {
        for (changes, name) in [
            (json!({ "email_verified": true }), "kim@example.com"),
            (json!({ "email_verified": false }), "4711"),
            (json!({ "email_verified": "true" }), "4711"),
            (json!({ "email": "realmctl" }), "4711"),
            (json!({ "email": "kim@example.com\n" }), "4711"),
            (json!({ "email": null, "sub": "realmctl" }), "person realmctl"),
        ] {
            assert_eq!(checked(&changes).expect("it fits").name, name, "{changes}");
        }
    }

    #[test]
    fn groups_are_a_list_or_one_text() {
        for (groups, expected) in [
            (json!("ops"), vec!["ops"]),
            (json!(["a", 5, "b"]), vec!["a", "b"]),
            (json!({ "a": 1 }), vec![]),
            (Value::Null, vec![]),
        ] {
            assert_eq!(checked(&json!({ "groups": groups })).expect("it fits").groups, expected);
        }
    }
}
