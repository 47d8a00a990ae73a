//! Profiles: made, listed and used, and whose token is sent where.

mod common;
#[path = "common/stub.rs"]
mod stub;

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use common::{Ran, command, run};
use serde_json::json;
use stub::Stub;
use tempfile::TempDir;

/// A user's settings.
struct Home {
    folder: TempDir,
}

impl Home {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("realmctl/config.yaml")
    }

    /// Runs a command with these variables.
    fn ask_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Ran {
        let mut asked = command(args);
        run(asked.env("REALMCTL_CONFIG", self.file()).envs(variables.iter().copied()))
    }

    fn ask(&self, args: &[&str]) -> Ran {
        self.ask_with(args, &[])
    }

    /// Makes a profile with a token.
    fn set(&self, name: &str, server: &str, token: &str) {
        let file = self.folder.path().join("token");
        std::fs::write(&file, format!("{token}\n")).expect("it is written");
        let file = file.to_str().expect("the path is UTF-8");
        self.ask(&["config", "set", name, "--server", server, "--token-file", file]).ends_with(0);
    }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

#[test]
fn profiles_are_made_shown_chosen_and_deleted_and_their_tokens_never_shown() {
    let home = Home::new();
    let none = home.ask(&["config", "list", "--output", "json"]).ends_with(0);
    assert_eq!(none.json(), json!({ "items": [] }));
    assert!(!home.file().exists(), "looking makes no file");
    home.set("prod", "https://realms.example/", "sesame-4711");
    home.ask(&["config", "set", "local", "--server", "http://127.0.0.1:8642"]).ends_with(0);
    assert_eq!((mode(&home.file()), mode(home.file().parent().expect("a folder"))), (0o600, 0o700));

    let listed = home.ask(&["config", "list", "--output", "json"]).ends_with(0);
    let local = json!({ "name": "local", "server": "http://127.0.0.1:8642", "hasToken": false, "current": false });
    let prod = json!({ "name": "prod", "server": "https://realms.example", "hasToken": true, "current": true });
    assert_eq!(listed.json(), json!({ "items": [local, prod] }));
    let table = home.ask(&["config", "list"]).ends_with(0);
    assert!(table.stdout.starts_with("NAME   SERVER"), "{table:#?}");
    for args in
        [&["config", "show"] as &[&str], &["config", "show", "prod"], &["config", "list"], &["config", "use", "prod"]]
    {
        for output in ["table", "json", "yaml"] {
            let ran = home.ask(&[args, &["--output", output]].concat()).ends_with(0);
            assert!(!format!("{ran:?}").contains("sesame"), "{ran:#?}");
        }
    }

    home.ask(&["config", "use", "local"]).ends_with(0);
    assert_eq!(home.ask(&["config", "show", "--output", "json"]).json()["name"], json!("local"));
    assert_eq!(home.ask(&["config", "show", "--profile", "prod", "--output", "json"]).json()["name"], json!("prod"));
    let gone = home.ask(&["config", "delete", "local"]).ends_with(0);
    assert!(gone.stderr.contains("now there is none"), "{gone:#?}");
    for args in [
        &["config", "show"] as &[&str],
        &["config", "show", "local"],
        &["config", "use", "local"],
        &["config", "delete", "local"],
    ] {
        home.ask(args).ends_with(3);
    }
    assert!(std::fs::read_to_string(home.file()).expect("it is there").contains("sesame-4711"));
    home.ask(&["config", "set", "prod", "--no-token"]).ends_with(0);
    assert!(!std::fs::read_to_string(home.file()).expect("it is there").contains("sesame"));
    let path = home.ask(&["config", "path"]).ends_with(0);
    assert_eq!(path.stdout.trim_end(), home.file().to_str().expect("UTF-8"));
}

#[test]
fn another_server_does_not_get_the_old_token() {
    let home = Home::new();
    home.set("prod", "https://realms.example", "sesame-4711");
    let moved =
        home.ask(&["config", "set", "prod", "--server", "https://other.example", "--output", "json"]).ends_with(0);
    assert_eq!(moved.json()["hasToken"], json!(false));
    assert!(moved.stderr.contains("is forgotten"), "{moved:#?}");
    assert!(!std::fs::read_to_string(home.file()).expect("it is there").contains("sesame"));
}

#[test]
fn a_token_comes_from_a_file_or_stdin_and_from_no_argument() {
    let home = Home::new();
    let mut set = command(&["config", "set", "prod", "--server", "https://realms.example", "--token-stdin"]);
    set.env("REALMCTL_CONFIG", home.file()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut set = set.spawn().expect("it can be started");
    set.stdin.take().expect("stdin is piped").write_all(b"sesame-4711\n").expect("it is read");
    assert!(set.wait().expect("it ends").success());
    assert!(std::fs::read_to_string(home.file()).expect("it is there").contains("sesame-4711"));

    let refused = home.ask(&["config", "set", "prod", "--token", "hunter2"]).ends_with(2);
    assert!(
        refused.stderr.contains("--token-stdin or --token-file") && !refused.stderr.contains("hunter2"),
        "{refused:#?}"
    );
    // A variable is for other commands.
    home.ask_with(&["config", "set", "other", "--server", "http://x"], &[("REALMCTL_TOKEN", "hunter2")]).ends_with(0);
    assert!(!std::fs::read_to_string(home.file()).expect("it is there").contains("hunter2"));
    let bad = home.folder.path().join("bad");
    std::fs::write(&bad, "hunter2 hunter2\n").expect("it is written");
    let bad = bad.to_str().expect("the path is UTF-8");
    let wrong = [
        vec!["config", "set", "prod", "--token-file", bad],
        vec!["config", "set", "prod", "--token-file", "/nonexistent"],
        vec!["config", "set", "prod", "--token-stdin"],
        vec!["config", "set", "prod", "--token-file", bad, "--token-stdin"],
        vec!["config", "set", "new"],
        vec!["config", "set", "new", "--server", "realms.example"],
        vec!["config", "set", "new", "--server", "https://kim:hunter2@realms.example"],
        vec!["config", "set", "a b", "--server", "http://x"],
    ];
    for args in wrong {
        let ran = home.ask(&args).ends_with(2);
        assert!(!ran.stderr.contains("hunter2"), "{ran:#?}");
    }
    let new = home.ask_with(&["config", "set", "new"], &[("REALMCTL_SERVER", "http://x")]).ends_with(2);
    assert!(new.stderr.contains("give its --server"), "what a variable says is not kept: {new:#?}");
}

#[test]
fn a_file_that_others_can_read_or_that_is_wrong_is_refused_before_anything_is_sent() {
    let home = Home::new();
    let stub = Stub::serve("0.1.0");
    home.set("prod", &stub.url, "sesame-4711");
    std::fs::set_permissions(home.file(), std::fs::Permissions::from_mode(0o640)).expect("changed");
    let open = home.ask(&["tenants", "list"]).ends_with(2);
    assert!(open.stderr.contains("chmod 600") && open.stdout.is_empty(), "{open:#?}");
    // What needs no profile does not look.
    home.ask(&["version"]).ends_with(0);
    home.ask_with(&["tenants", "list"], &[("REALMCTL_SERVER", &stub.url), ("REALMCTL_TOKEN", "t")]).ends_with(0);
    std::fs::set_permissions(home.file(), std::fs::Permissions::from_mode(0o600)).expect("changed");
    let text = std::fs::read_to_string(home.file()).expect("it is there");
    std::fs::write(home.file(), text.replace("token:", "tokn:")).expect("it is written");
    let wrong = home.ask(&["tenants", "list"]).ends_with(2);
    assert!(wrong.stderr.contains("unknown field `tokn`") && wrong.stderr.contains("line "), "{wrong:#?}");
    assert!(!wrong.stderr.contains("sesame"), "{wrong:#?}");
    home.ask(&["config", "set", "other", "--server", "http://x"]).ends_with(2);
    assert_eq!(stub.tokens(), [Some("Bearer t".to_owned())]);
}

#[test]
fn the_token_of_a_profile_goes_to_its_server_alone() {
    let home = Home::new();
    let (its, other) = (Stub::serve("0.1.0"), Stub::serve("0.1.0"));
    home.set("prod", &its.url, "sesame-4711");
    let list = ["tenants", "list", "--output", "json"];
    let quiet = home.ask(&list).ends_with(0);
    assert!(quiet.stderr.lines().all(|line| line.contains("No tenants found")), "{quiet:#?}");
    home.ask(&[&list[..], &["--profile", "prod"]].concat()).ends_with(0);
    home.ask_with(&list, &[("REALMCTL_PROFILE", "prod")]).ends_with(0);
    assert_eq!(its.tokens(), vec![Some("Bearer sesame-4711".to_owned()); 3]);

    for (args, variables) in [
        (vec!["--server", &other.url], vec![]),
        (vec!["--server", &other.url, "--profile", "prod"], vec![]),
        (vec![], vec![("REALMCTL_SERVER", other.url.as_str())]),
        (vec![], vec![("REALMCTL_SERVER", other.url.as_str()), ("REALMCTL_PROFILE", "prod")]),
    ] {
        let ran = home.ask_with(&[&list[..], &args].concat(), &variables).ends_with(0);
        assert!(ran.stderr.contains(r#"{"note":"The token of profile prod is not sent"#), "{ran:#?}");
        assert!(!ran.stderr.contains("sesame"), "{ran:#?}");
    }
    assert_eq!(other.tokens(), vec![None; 4]);
}

#[test]
fn what_was_typed_comes_before_a_typed_profile_and_that_before_variables() {
    let home = Home::new();
    let (prod, local, other) = (Stub::serve("0.1.0"), Stub::serve("0.1.0"), Stub::serve("0.1.0"));
    home.set("prod", &prod.url, "of-prod");
    home.set("local", &local.url, "of-local");
    home.ask(&["config", "use", "local"]).ends_with(0);
    let variables = [("REALMCTL_SERVER", other.url.as_str()), ("REALMCTL_TOKEN", "of-variable")];
    let list = ["tenants", "list"];
    home.ask_with(&[&list[..], &["--profile", "prod"]].concat(), &variables).ends_with(0);
    assert_eq!(prod.tokens(), [Some("Bearer of-prod".to_owned())]);
    home.ask_with(&list, &variables).ends_with(0);
    home.ask_with(&list, &[variables[0], variables[1], ("REALMCTL_PROFILE", "prod")]).ends_with(0);
    assert_eq!(other.tokens(), vec![Some("Bearer of-variable".to_owned()); 2]);
    home.ask_with(
        &[&list[..], &["--server", &prod.url, "--token", "typed", "--profile", "local"]].concat(),
        &variables,
    )
    .ends_with(0);
    assert_eq!(prod.tokens(), [Some("Bearer typed".to_owned())]);
    home.ask(&list).ends_with(0);
    assert_eq!(local.tokens(), [Some("Bearer of-local".to_owned())]);
    let unknown = home.ask_with(&[&list[..], &["--profile", "mars"]].concat(), &variables).ends_with(3);
    assert!(unknown.stderr.contains("there is no profile mars; `realmctl config list` lists them"), "{unknown:#?}");
    // Whom a failure names as what to look at.
    home.ask(&["config", "set", "gone", "--server", "http://127.0.0.1:9"]).ends_with(0);
    let gone = home.ask(&[&list[..], &["--profile", "gone"]].concat()).ends_with(1);
    assert!(gone.stderr.contains("that profile gone names it"), "{gone:#?}");
}

#[test]
fn profiles_that_are_made_at_once_are_all_kept() {
    let home = Home::new();
    let made: Vec<_> = (0..8)
        .map(|number| {
            let name = format!("p{number}");
            let mut set = command(&["config", "set", &name, "--server", "http://x"]);
            set.env("REALMCTL_CONFIG", home.file()).stdout(Stdio::null()).stderr(Stdio::null());
            set.spawn().expect("it can be started")
        })
        .collect();
    for mut one in made {
        assert!(one.wait().expect("it ends").success());
    }
    let listed = home.ask(&["config", "list", "--output", "json"]).json();
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(8), "{listed:#}");
    let beside: Vec<_> = std::fs::read_dir(home.file().parent().expect("a folder")).expect("readable").collect();
    assert_eq!(beside.len(), 1, "{beside:?}");
}

#[test]
fn the_file_is_where_other_programs_keep_theirs() {
    let path = |variables: &[(&str, &str)]| {
        let mut asked = command(&["config", "path"]);
        for name in ["REALMCTL_CONFIG", "XDG_CONFIG_HOME", "HOME"] {
            asked.env_remove(name);
        }
        run(asked.envs(variables.iter().copied()))
    };
    let said = |variables: &[(&str, &str)]| path(variables).ends_with(0).stdout.trim_end().to_owned();
    assert_eq!(said(&[("HOME", "/home/kim")]), "/home/kim/.config/realmctl/config.yaml");
    assert_eq!(said(&[("HOME", "/home/kim"), ("XDG_CONFIG_HOME", "/etc/kim")]), "/etc/kim/realmctl/config.yaml");
    assert_eq!(
        said(&[("HOME", "/home/kim"), ("XDG_CONFIG_HOME", "relative")]),
        "/home/kim/.config/realmctl/config.yaml"
    );
    assert_eq!(said(&[("XDG_CONFIG_HOME", "/etc/kim"), ("REALMCTL_CONFIG", "here.yaml")]), "here.yaml");
    assert!(path(&[]).ends_with(2).stderr.contains("set HOME, or name a file in REALMCTL_CONFIG"));
}
