//! The options of `serve` about people who sign in.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use server::{GroupRoles, LoginOptions, LoginSettings};
use workflows::access::{SessionTimes, TokenKeys};

use crate::exit::Failure;
use crate::files::read_text;
use crate::format::parse_duration;

/// How people sign in: by a provider of OpenID Connect.
#[derive(Debug, Args)]
#[command(next_help_heading = "Login of people")]
pub(crate) struct LoginArgs {
    /// The OpenID Connect provider with which people sign in, written as it calls itself. Takes --oidc-client-id, --public-url, roles
    /// for groups, and --token-key-file
    #[arg(long, env = "REALMCTL_OIDC_ISSUER", value_name = "URL", hide_env_values = true)]
    oidc_issuer: Option<String>,
    /// As whom the provider knows this deployment
    #[arg(long, env = "REALMCTL_OIDC_CLIENT_ID", value_name = "ID", hide_env_values = true)]
    oidc_client_id: Option<String>,
    /// The secret that the provider has given for it; without one it is a public client, which PKCE protects
    #[arg(long, env = "REALMCTL_OIDC_CLIENT_SECRET_FILE", value_name = "FILE", hide_env_values = true)]
    oidc_client_secret_file: Option<PathBuf>,
    /// What the provider is asked for, separated by spaces
    #[arg(
        long,
        env = "REALMCTL_OIDC_SCOPES",
        default_value = "openid profile email",
        value_name = "SCOPES",
        hide_env_values = true
    )]
    oidc_scopes: String,
    /// The claim of the ID token that lists a person's groups
    #[arg(
        long,
        env = "REALMCTL_OIDC_GROUPS_CLAIM",
        default_value = "groups",
        value_name = "NAME",
        hide_env_values = true
    )]
    oidc_groups_claim: String,
    /// The role of a group; may be given several times. Of several the highest counts; who has none can't sign in
    #[arg(long, value_name = "GROUP=ROLE")]
    oidc_role: Vec<String>,
    /// The same from a file: GROUP=ROLE a line
    #[arg(long, env = "REALMCTL_OIDC_ROLES", value_name = "FILE", hide_env_values = true)]
    oidc_roles: Option<PathBuf>,
    /// Where browsers see this server: https, or http on loopback. The provider sends them back to its /login/callback
    #[arg(long, env = "REALMCTL_PUBLIC_URL", value_name = "URL", hide_env_values = true)]
    public_url: Option<String>,
    /// How long somebody stays signed in at most
    #[arg(long, env = "REALMCTL_SESSION_LIFETIME", default_value = "12h", value_name = "DURATION", value_parser = parse_duration, hide_env_values = true)]
    session_lifetime: Duration,
    /// How long somebody stays signed in without asking for anything
    #[arg(long, env = "REALMCTL_SESSION_IDLE", default_value = "1h", value_name = "DURATION", value_parser = parse_duration, hide_env_values = true)]
    session_idle: Duration,
}

impl LoginArgs {
    /// Checks all of it; none without an issuer.
    pub(crate) fn read(&self, keys: &TokenKeys) -> Result<Option<Arc<LoginSettings>>, Failure> {
        let Some(issuer) = &self.oidc_issuer else {
            let lost = [
                ("oidc-client-id", self.oidc_client_id.is_some()),
                ("oidc-client-secret-file", self.oidc_client_secret_file.is_some()),
                ("oidc-role", !self.oidc_role.is_empty()),
                ("oidc-roles", self.oidc_roles.is_some()),
            ];
            return match lost.iter().find(|(_, given)| *given) {
                Some((name, _)) => Err(Failure::usage(format!("--{name} has no effect without --oidc-issuer: add it"))),
                None => Ok(None),
            };
        };
        if keys.is_empty() {
            return Err(Failure::usage("--oidc-issuer takes --token-key-file: sessions are kept as hashes with a key"));
        }
        let given = |option: &Option<String>, name: &str| {
            let missing = || Failure::usage(format!("--oidc-issuer takes --{name}, too"));
            option.clone().filter(|text| !text.is_empty()).ok_or_else(missing)
        };
        let secret = self.oidc_client_secret_file.as_deref().map(|file| read("oidc-client-secret-file", file));
        let options = LoginOptions {
            issuer: issuer.clone(),
            client_id: given(&self.oidc_client_id, "oidc-client-id")?,
            client_secret: secret.transpose()?.map(|text| text.trim().to_owned()),
            groups_claim: self.oidc_groups_claim.clone(),
            scopes: self.oidc_scopes.clone(),
            roles: self.roles()?,
            public_url: given(&self.public_url, "public-url")?,
            times: SessionTimes { lifetime: self.session_lifetime, idle: self.session_idle, ..SessionTimes::default() },
        };
        let settings = LoginSettings::new(options).map_err(|error| Failure::usage(format!("--{error}")))?;
        Ok(Some(Arc::new(settings)))
    }

    fn roles(&self) -> Result<GroupRoles, Failure> {
        let parse = |name: &str, text: &str| {
            GroupRoles::parse(text).map_err(|problem| Failure::usage(format!("--{name}: {problem}")))
        };
        let given = parse("oidc-role", &self.oidc_role.join("\n"))?;
        match &self.oidc_roles {
            Some(file) => Ok(given.and(parse("oidc-roles", &read("oidc-roles", file)?)?)),
            None => Ok(given),
        }
    }
}

/// What is in the file is never repeated.
fn read(option: &str, file: &Path) -> Result<String, Failure> {
    read_text(file).map_err(|error| Failure::usage(format!("--{option} {}: {error}", file.display())))
}
