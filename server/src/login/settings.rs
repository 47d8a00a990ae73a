//! What a server is told about login at its start, and the checks of it.

use std::fmt;

use url::{Host, Url};
use workflows::access::SessionTimes;

use super::groups::GroupRoles;

/// What somebody has written. [`LoginSettings::new`] checks it.
#[derive(Clone, Default)]
pub struct LoginOptions {
    /// The provider's address, as it says itself.
    pub issuer: String,
    /// As whom the provider knows this deployment.
    pub client_id: String,
    /// What proves it; none for a public client, which has PKCE alone.
    pub client_secret: Option<String>,
    /// The claim that names the person's groups.
    pub groups_claim: String,
    /// What is asked for, separated by spaces; `openid` is always among it.
    pub scopes: String,
    /// Which group has which role.
    pub roles: GroupRoles,
    /// Where browsers see this server.
    pub public_url: String,
    /// How long sessions last.
    pub times: SessionTimes,
}

/// How people sign in. `Debug` does not show the secret.
#[derive(Clone)]
pub struct LoginSettings {
    pub(crate) issuer: String,
    pub(super) client_id: String,
    pub(super) client_secret: Option<String>,
    pub(super) groups_claim: String,
    pub(super) scopes: String,
    pub(crate) roles: GroupRoles,
    /// `https://realmctl.example`, without a path.
    pub(crate) public_origin: String,
    pub(crate) times: SessionTimes,
}

/// What is wrong, and with which option.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{option}: {problem}")]
pub struct InvalidLogin {
    /// Without the hyphens.
    pub option: &'static str,
    /// In words.
    pub problem: &'static str,
}

impl LoginSettings {
    /// Checks everything.
    ///
    /// # Errors
    /// The first option that is wrong, and what to do.
    pub fn new(options: LoginOptions) -> Result<Self, InvalidLogin> {
        let wrong = |option: &'static str, problem: &'static str| Err(InvalidLogin { option, problem });
        let is_short_text = |text: &str| (1..=512).contains(&text.len()) && !text.chars().any(char::is_control);
        if let Err(problem) = safe_url(&options.issuer) {
            return wrong("oidc-issuer", problem);
        }
        if !is_short_text(&options.client_id) {
            return wrong("oidc-client-id", "give the id under which the provider knows this client");
        }
        if options.client_secret.as_deref().is_some_and(|secret| !is_short_text(secret)) {
            return wrong(
                "oidc-client-secret-file",
                "the file must hold one line with the client's secret, and no more",
            );
        }
        if !is_short_text(&options.groups_claim) {
            return wrong("oidc-groups-claim", "give the name of the claim that lists a person's groups");
        }
        let scope_letter = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
        if options.scopes.len() > 512 || !options.scopes.split_whitespace().all(|scope| scope.bytes().all(scope_letter))
        {
            return wrong("oidc-scopes", "give the names of scopes, separated by spaces");
        }
        if options.roles.is_empty() {
            return wrong("oidc-role", "nobody could sign in: give at least one GROUP=ROLE (or --oidc-roles FILE)");
        }
        let public = match safe_url(&options.public_url) {
            Ok(url) if url.path() == "/" => url,
            Ok(_) => return wrong("public-url", "it is an origin such as https://realmctl.example, without a path"),
            Err(problem) => return wrong("public-url", problem),
        };
        if options.times.idle.is_zero() || options.times.lifetime.is_zero() {
            return wrong("session-lifetime", "a session has to last for longer than 0");
        }
        let others = options.scopes.split_whitespace().filter(|scope| *scope != "openid");
        let scopes: Vec<&str> = std::iter::once("openid").chain(others).collect();
        Ok(Self {
            issuer: options.issuer,
            client_id: options.client_id,
            client_secret: options.client_secret,
            groups_claim: options.groups_claim,
            scopes: scopes.join(" "),
            roles: options.roles,
            public_origin: public.origin().ascii_serialization(),
            times: options.times,
        })
    }

    /// Where the provider sends browsers afterwards.
    pub(super) fn redirect_uri(&self) -> String {
        format!("{}/login/callback", self.public_origin)
    }
}

/// An address to which secrets may be sent: over TLS, or on this machine.
pub(super) fn safe_url(text: &str) -> Result<Url, &'static str> {
    let Ok(url) = Url::parse(text) else { return Err("it must be a URL such as https://login.example") };
    let on_this_machine = match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    if !(url.scheme() == "https" || url.scheme() == "http" && on_this_machine) {
        return Err("it must begin with https:// (http:// only on loopback)");
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() || url.query().is_some() {
        return Err("it must not have a user, a query or a fragment");
    }
    Ok(url)
}

impl fmt::Debug for LoginSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LoginSettings({} at {})", self.client_id, self.issuer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> LoginOptions {
        LoginOptions {
            issuer: "https://login.example/realm".to_owned(),
            client_id: "realmctl".to_owned(),
            client_secret: Some("hunter2-hunter2".to_owned()),
            groups_claim: "groups".to_owned(),
            scopes: "profile openid email".to_owned(),
            roles: GroupRoles::parse("ops=oncall").expect("roles"),
            public_url: "https://realmctl.example/".to_owned(),
            times: SessionTimes::default(),
        }
    }

    #[test]
    fn what_is_right_is_taken_and_its_secret_is_never_shown() {
        let settings = LoginSettings::new(options()).expect("settings");
        assert_eq!(settings.redirect_uri(), "https://realmctl.example/login/callback");
        assert_eq!(settings.scopes, "openid profile email");
        assert!(!format!("{settings:?}").contains("hunter2"));
        for loopback in ["http://127.0.0.1:8642", "http://localhost:8642", "http://[::1]:8642"] {
            LoginSettings::new(LoginOptions { public_url: loopback.to_owned(), ..options() }).expect(loopback);
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let text = str::to_owned;
        let roles = GroupRoles::default();
        for (option, wrong) in [
            ("oidc-issuer", LoginOptions { issuer: text("http://login.example"), ..options() }),
            ("oidc-issuer", LoginOptions { issuer: text("login.example"), ..options() }),
            ("oidc-issuer", LoginOptions { issuer: text("https://kim:secret@login.example"), ..options() }),
            ("oidc-client-id", LoginOptions { client_id: String::new(), ..options() }),
            ("oidc-client-secret-file", LoginOptions { client_secret: Some(text("a\nb")), ..options() }),
            ("oidc-groups-claim", LoginOptions { groups_claim: String::new(), ..options() }),
            ("oidc-scopes", LoginOptions { scopes: text("a\"b"), ..options() }),
            ("oidc-role", LoginOptions { roles, ..options() }),
            ("public-url", LoginOptions { public_url: text("http://realmctl.example"), ..options() }),
            ("public-url", LoginOptions { public_url: text("https://realmctl.example/console"), ..options() }),
            ("public-url", LoginOptions { public_url: text("http://127.0.0.1.example"), ..options() }),
        ] {
            assert_eq!(LoginSettings::new(wrong).expect_err(option).option, option);
        }
    }
}
