//! Which server is asked, and what it is shown. What was typed comes first, then a profile that was typed, then variables, then the
//! profile of `REALMCTL_PROFILE` or the current one, then the default. A profile's token is shown to that profile's server and to no
//! other.

use super::{Profile, Profiles, is_same_server, place, read};
use crate::exit::Failure;
use crate::globals::{DEFAULT_SERVER, Globals};

/// Which of the global options were typed. The others, if they are there, come from variables.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Given {
    pub(crate) server: bool,
    pub(crate) token: bool,
    pub(crate) profile: bool,
}

/// A server, and what it is shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Connection {
    pub(crate) server: String,
    pub(crate) token: Option<String>,
    /// What names the server, for messages.
    pub(crate) server_from: String,
    /// What names the token, for messages.
    pub(crate) token_from: String,
    /// What somebody may not expect.
    pub(crate) notes: Vec<String>,
}

impl Connection {
    /// To a server that was just started here.
    #[cfg(feature = "playground")]
    pub(crate) fn to(server: &str, token: Option<&str>) -> Self {
        Self {
            server: server.to_owned(),
            token: token.map(str::to_owned),
            server_from: SERVER_OPTIONS.to_owned(),
            token_from: TOKEN_OPTIONS.to_owned(),
            notes: Vec::new(),
        }
    }
}

const SERVER_OPTIONS: &str = "--server or REALMCTL_SERVER";
const TOKEN_OPTIONS: &str = "--token or REALMCTL_TOKEN";

/// The connection that the global options stand for. The file is read only where something in it could matter.
pub(crate) fn connection(globals: &Globals) -> Result<Connection, Failure> {
    let typed_profile = globals.given.profile && globals.profile().is_some();
    // A variable stands for what a profile would say, unless the profile was typed.
    let all_said = globals.server.is_some() && globals.token().is_some();
    if all_said && !typed_profile {
        return Ok(choose(globals, None));
    }
    let profiles = match place() {
        Ok(place) => read(&place)?,
        // Without a home there are no profiles.
        Err(failure) if globals.profile().is_some() => return Err(failure),
        Err(_) => Profiles::default(),
    };
    let name = globals.profile().or(profiles.current.as_deref());
    let chosen = name.map(|name| Ok::<_, Failure>((name, profiles.find(name)?))).transpose()?;
    Ok(choose(globals, chosen))
}

fn choose(globals: &Globals, chosen: Option<(&str, &Profile)>) -> Connection {
    let Given { server: typed_server, token: typed_token, profile } = globals.given;
    let typed_profile = profile && globals.profile().is_some();
    let mut notes = Vec::new();
    let of_options = globals.server.as_ref().filter(|_| typed_server || !typed_profile);
    let (server, server_from) = match (of_options, chosen) {
        (Some(server), _) => (server.clone(), SERVER_OPTIONS.to_owned()),
        (None, Some((name, profile))) => (profile.server.clone(), format!("profile {name}")),
        (None, None) => (DEFAULT_SERVER.to_owned(), SERVER_OPTIONS.to_owned()),
    };
    let options = (None, TOKEN_OPTIONS.to_owned());
    let (token, token_from) = match (globals.token(), chosen) {
        (Some(token), _) if typed_token || !typed_profile => (Some(token.to_owned()), TOKEN_OPTIONS.to_owned()),
        (_, Some((name, Profile { token: Some(_), server: its }))) if !is_same_server(its, &server) => {
            notes.push(format!(
                "The token of profile {name} is not sent: it is for {its}, and another server is asked (--server or REALMCTL_SERVER)."
            ));
            options
        }
        (_, Some((name, Profile { token: Some(token), .. }))) => {
            (Some(token.reveal().to_owned()), format!("the token of profile {name}"))
        }
        (Some(_), Some((name, _))) => {
            notes.push(format!(
                "REALMCTL_TOKEN is not sent: --profile {name} was given, which has no token. Use --token to send one."
            ));
            options
        }
        _ => options,
    };
    Connection { server, token, server_from, token_from, notes }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use crate::profiles::Secret;
    use clap::Parser;

    /// Options, of which `typed` were typed and the others are variables'.
    fn globals(options: &[(&str, &str)], typed: &[&str]) -> Globals {
        let mut words = vec!["realmctl".to_owned(), "status".to_owned()];
        words.extend(options.iter().map(|(name, value)| format!("--{name}={value}")));
        let mut globals = Cli::try_parse_from(words).expect("a command line").globals;
        let is = |name| typed.contains(&name);
        globals.given = Given { server: is("server"), token: is("token"), profile: is("profile") };
        globals
    }

    fn profile(server: &str, token: Option<&str>) -> Profile {
        Profile { server: server.to_owned(), token: token.map(|token| Secret::parse(token).expect("a token")) }
    }

    /// Server and token of a choice, and whether there was a note.
    fn chosen(options: &[(&str, &str)], typed: &[&str], profile: Option<&Profile>) -> (String, Option<String>, bool) {
        let found = choose(&globals(options, typed), profile.map(|profile| ("prod", profile)));
        (found.server, found.token, !found.notes.is_empty())
    }

    #[test]
    fn typed_options_then_a_typed_profile_then_variables_then_the_current_profile() {
        let prod = profile("https://prod", Some("p"));
        let all = [("server", "https://other"), ("token", "t"), ("profile", "prod")];
        let variables = [("server", "https://other"), ("token", "t")];
        let is = |server: &str, token: Option<&str>, note: bool| (server.to_owned(), token.map(str::to_owned), note);
        assert_eq!(chosen(&all, &["server", "token", "profile"], Some(&prod)), is("https://other", Some("t"), false));
        assert_eq!(chosen(&all, &["profile"], Some(&prod)), is("https://prod", Some("p"), false));
        assert_eq!(chosen(&all, &[], Some(&prod)), is("https://other", Some("t"), false));
        assert_eq!(chosen(&variables, &[], Some(&prod)), is("https://other", Some("t"), false));
        assert_eq!(chosen(&[("token", "t")], &[], Some(&prod)), is("https://prod", Some("t"), false));
        assert_eq!(chosen(&[], &[], Some(&prod)), is("https://prod", Some("p"), false));
        assert_eq!(chosen(&[], &[], None), is(DEFAULT_SERVER, None, false));
        // A variable that is set to nothing is none.
        assert_eq!(chosen(&[("token", "")], &[], Some(&prod)), is("https://prod", Some("p"), false));
    }

    #[test]
    fn the_token_of_a_profile_goes_to_its_server_alone() {
        let prod = profile("https://prod", Some("p"));
        for typed in [&[] as &[&str], &["server"], &["server", "profile"]] {
            let options = [("server", "https://other"), ("profile", "prod")];
            let (server, token, note) = chosen(&options, typed, Some(&prod));
            assert_eq!((server.as_str(), token, note), ("https://other", None, true), "{typed:?}");
        }
        let (_, token, note) = chosen(&[("server", "https://prod:443/")], &["server"], Some(&prod));
        assert_eq!((token.as_deref(), note), (Some("p"), false), "another spelling of the same address");
    }

    #[test]
    fn a_variables_token_does_not_follow_a_typed_profile() {
        let local = profile("http://127.0.0.1:1", None);
        let (server, token, note) = chosen(&[("token", "t"), ("profile", "prod")], &["profile"], Some(&local));
        assert_eq!((server.as_str(), token, note), ("http://127.0.0.1:1", None, true));
        let (_, token, _) = chosen(&[("token", "t"), ("profile", "prod")], &["token", "profile"], Some(&local));
        assert_eq!(token.as_deref(), Some("t"), "typed beside it, it is meant");
    }
}
