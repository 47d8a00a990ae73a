//! The cookies: their names, their flags, and how they are read. `__Host-` makes browsers refuse one that is not Secure, has another path,
//! or was set by another host of the domain.

use axum::http::{HeaderMap, HeaderValue, header};

/// The session of somebody who has signed in.
pub(crate) const SESSION_COOKIE: &str = "__Host-realmctl-session";

/// What is remembered while somebody signs in.
pub(super) const LOGIN_COOKIE: &str = "__Host-realmctl-login";

const FLAGS: &str = "Path=/; Secure; HttpOnly; SameSite=Lax";

/// The header that sets a session's cookie. It ends with the browser, or with the session, whichever is first.
pub(crate) fn session_cookie(text: &str) -> Option<HeaderValue> {
    sensitive(&format!("{SESSION_COOKIE}={text}; {FLAGS}"))
}

/// The header that sets the cookie of a login, which has so many seconds.
pub(super) fn login_cookie(text: &str, seconds: i64) -> Option<HeaderValue> {
    sensitive(&format!("{LOGIN_COOKIE}={text}; Max-Age={seconds}; {FLAGS}"))
}

/// The header that takes a cookie away.
pub(crate) fn cleared(name: &str) -> Option<HeaderValue> {
    sensitive(&format!("{name}=; Max-Age=0; {FLAGS}"))
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The cookie with this name, if there is one. Of two none counts: no browser sends two with `__Host-`.
pub(crate) fn find_cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let pairs = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut found = pairs.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut found = found.by_ref().filter(|(of, _)| *of == name).map(|(_, value)| value);
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_among_others_and_only_if_it_is_the_only_one_of_its_name() {
        let find = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::COOKIE, HeaderValue::from_static(value));
            }
            find_cookie(&headers, "b").map(str::to_owned)
        };
        assert_eq!(find(&["a=1; b=2;c=3"]), Some("2".to_owned()));
        assert_eq!(find(&["a=1", "b=2=3"]), Some("2=3".to_owned()));
        assert_eq!(find(&["a=1; ab=2; B=3"]), None);
        assert_eq!(find(&["b=1; b=2"]), None);
        assert_eq!(find(&["b=1", "b=1"]), None);
        assert_eq!(find(&[]), None);
    }
}
