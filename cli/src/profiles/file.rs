//! The file of profiles: of this user alone, read strictly, and replaced whole.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Profiles, VERSION, parse_name, parse_server};
use crate::exit::Failure;
use crate::files::without_mark;

/// Far more than profiles need.
const BYTES_MAX: u64 = 1 << 20;

/// Where the file is: REALMCTL_CONFIG, else in the user's folder of settings.
pub(crate) fn place() -> Result<PathBuf, Failure> {
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(file) = named("REALMCTL_CONFIG") {
        return Ok(file);
    }
    // "If an implementation encounters a relative path in any of these variables it should consider the path invalid and ignore it"
    // (XDG Base Directory Specification).
    let folder = named("XDG_CONFIG_HOME").filter(|folder| folder.is_absolute());
    let folder = folder.or_else(|| named("HOME").filter(|home| home.is_absolute()).map(|home| home.join(".config")));
    let no_home = || Failure::usage("there is no place for profiles: set HOME, or name a file in REALMCTL_CONFIG");
    folder.map(|folder| folder.join("realmctl/config.yaml")).ok_or_else(no_home)
}

/// The profiles in the file; none if there is no file.
pub(crate) fn read(path: &Path) -> Result<Profiles, Failure> {
    let said = |why: &dyn std::fmt::Display| Failure::usage(format!("the profiles in {}: {why}", path.display()));
    let file = match OpenOptions::new().read(true).custom_flags(NONBLOCK).open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Profiles::default());
        }
        Err(error) => return Err(said(&error)),
    };
    check_owner(&file, path).map_err(|why| said(&why))?;
    let mut text = String::new();
    file.take(BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| said(&error))?;
    if text.len() as u64 > BYTES_MAX {
        return Err(said(&"the file is longer than 1 MiB"));
    }
    parse(&without_mark(text)).map_err(|why| said(&why))
}

/// A pipe in the place of the file keeps nobody waiting: it is refused.
const NONBLOCK: i32 = 0o4000;

/// What is opened is looked at, not what the path says a moment later.
fn check_owner(file: &File, path: &Path) -> Result<(), String> {
    let found = file.metadata().map_err(|error| error.to_string())?;
    if !found.is_file() {
        return Err("this is no file; name another one in REALMCTL_CONFIG".to_owned());
    }
    if Some(found.uid()) != this_user() {
        return Err(
            "the file belongs to another user, who may have written anything there: make one of your own".to_owned()
        );
    }
    if found.mode() & 0o077 != 0 {
        return Err(format!("others may read or change it, and it holds tokens: run `chmod 600 {}`", path.display()));
    }
    Ok(())
}

fn this_user() -> Option<u32> {
    std::fs::metadata("/proc/self").ok().map(|found| found.uid())
}

/// The form alone; the rest may be of a later version.
#[derive(Deserialize)]
struct Form {
    version: Option<u32>,
}

fn parse(text: &str) -> Result<Profiles, String> {
    if text.trim().is_empty() {
        return Ok(Profiles::default());
    }
    let form: Option<Form> = serde_saphyr::from_str_with_options(text, options()).ok();
    if let Some(other) = form.and_then(|form| form.version).filter(|version| *version != VERSION) {
        return Err(format!(
            "they are of version {other}, and this realmctl knows version {VERSION}: use the one that wrote them"
        ));
    }
    let profiles: Profiles = serde_saphyr::from_str_with_options(text, options()).map_err(|error| in_words(&error))?;
    check(&profiles)?;
    Ok(profiles)
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: 16 },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 1_000 },
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

/// Names of fields may be told. Values may not: one of them could be a token that stands in the wrong place.
fn in_words(error: &serde_saphyr::Error) -> String {
    let message = error.without_snippet().to_string();
    let line = error.location().map(|at| at.line()).filter(|line| *line > 0);
    let line = line.map(|line| format!("line {line}: ")).unwrap_or_default();
    let end = message.find(" at line ").unwrap_or(message.len());
    let message = message[..end].trim_start_matches("error: ");
    let what = if message.contains("unknown field") {
        unknown_field(message)
    } else if message.contains("missing field") {
        message.replace(char::is_control, "?")
    } else if message.contains("duplicate") {
        "duplicate: the same name stands further up".to_owned()
    } else {
        "this is not what stands there in such a file: `realmctl config set --help` shows how to write it".to_owned()
    };
    format!("{line}{what}")
}

/// Names the field if it looks like one. In `token:SECRET`, without the blank, all of it is the name of a field.
fn unknown_field(message: &str) -> String {
    let quoted = message.split_once('`').and_then(|(_, rest)| rest.rsplit_once('`'));
    let (name, rest) = quoted.unwrap_or_default();
    if (1..=12).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphabetic()) {
        return message.replace(char::is_control, "?");
    }
    // What is expected there.
    format!("unknown field{}; a blank stands after each colon", rest.replace(char::is_control, "?"))
}

fn check(profiles: &Profiles) -> Result<(), String> {
    for (name, profile) in &profiles.profiles {
        parse_name(name)?;
        parse_server(&profile.server)
            .map_err(|failure| format!("profile {name}: {}", failure.message.replace("--server", "`server`")))?;
        if profile.token.as_ref().is_some_and(|token| super::Secret::parse(token.reveal()).is_err()) {
            return Err(format!("profile {name}: `token`: {}", server::InvalidToken));
        }
    }
    match &profiles.current {
        Some(current) if !profiles.profiles.contains_key(current) => {
            let current = parse_name(current).map_err(|why| format!("`current`: {why}"))?;
            Err(format!("`current` names {current}, and there is no such profile"))
        }
        _ => Ok(()),
    }
}

/// Reads the profiles, changes them and writes them, while no other process does.
pub(crate) fn change<T>(path: &Path, change: impl FnOnce(&mut Profiles) -> Result<T, Failure>) -> Result<T, Failure> {
    let failed = |error: std::io::Error| Failure::failed(format!("{} can't be written: {error}", path.display()));
    // A link, as people who keep their settings elsewhere have, stays one.
    let path = &std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    let lock = File::open(folder).map_err(failed)?;
    lock.lock().map_err(failed)?;
    let mut profiles = read(path)?;
    let before = profiles.clone();
    let done = change(&mut profiles)?;
    if profiles != before || !path.exists() {
        write(path, folder, &profiles).map_err(failed)?;
    }
    Ok(done)
}

/// Whoever is killed at any point leaves the old file or the new one.
fn write(path: &Path, folder: &Path, profiles: &Profiles) -> std::io::Result<()> {
    let text = serde_saphyr::to_string(profiles).map_err(std::io::Error::other)?;
    let new = path.with_extension("yaml.new");
    // Of a process that was killed: the lock says that nobody is at work.
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    let put = written.and_then(|()| std::fs::rename(&new, path));
    if put.is_err() {
        drop(std::fs::remove_file(&new));
    }
    put.and_then(|()| File::open(folder)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profiles::{Profile, Secret};
    use proptest::prelude::*;
    use std::os::unix::fs::PermissionsExt;

    fn with(name: &str, server: &str, token: Option<&str>) -> Profiles {
        let token = token.map(|token| Secret::parse(token).expect("a token"));
        let profile = Profile { server: server.to_owned(), token };
        Profiles {
            current: Some(name.to_owned()),
            profiles: [(name.to_owned(), profile)].into(),
            ..Profiles::default()
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(name in "[A-Za-z0-9_.@][A-Za-z0-9_.@-]{0,8}", token in "[!-~]{1,40}") {
            let profiles = with(&name, "http://127.0.0.1:1", Some(&token));
            let text = serde_saphyr::to_string(&profiles).expect("it is written");
            prop_assert_eq!(parse(&text), Ok(profiles), "{}", text);
        }
    }

    #[test]
    fn names_and_tokens_that_look_like_something_else_stay_what_they_are() {
        for odd in ["no", "on", "y", "1e3", "0x1", "1_0", "~", "null", ".5", "1:30", "2001-01-01", "true"] {
            let profiles = with(&odd.replace('~', "_").replace(':', "."), "http://x", Some(odd));
            let text = serde_saphyr::to_string(&profiles).expect("it is written");
            assert_eq!(parse(&text), Ok(profiles), "{text}");
        }
    }

    #[test]
    fn mistakes_are_told_with_their_line_and_without_values() {
        let wrong = [
            ("profiles:\n  a:\n    server: http://x\n    tokn: sesame\n", "line 4: unknown field `tokn`"),
            ("profiles:\n  a: { token: sesame }\n", "line 2: missing field `server`"),
            ("profiles:\n  a: sesame\n", "line 2: this is not what stands there"),
            ("profiles:\n  a: { server: http://x, token:sesame }\n", "line 2: unknown field, expected one of"),
            ("profiles: [sesame]\n", "line 1: this is not what stands there"),
            ("version: 2\nservers: []\n", "they are of version 2, and this realmctl knows version 1"),
            ("profiles:\n  a: { server: sesame }\n", "profile a: `server` must be a URL"),
            ("profiles:\n  a b: { server: http://x }\n", "a profile's name is 1 to 64"),
            ("current: a\n", "`current` names a, and there is no such profile"),
            ("profiles:\n  a: { server: http://x, token: \"ses ame\" }\n", "profile a: `token`: a token is"),
            ("current: [\n", "line "),
            ("profiles:\n  a: { server: http://x }\n  a: { server: http://y }\n", "line 3: duplicate"),
        ];
        for (text, expected) in wrong {
            let told = parse(text).expect_err(text);
            assert!(told.starts_with(expected), "{text}: {told}");
            assert!(!told.contains("sesame"), "{told}");
        }
        assert_eq!(parse(" \n"), Ok(Profiles::default()));
        assert_eq!(parse("# nothing yet\n"), Ok(Profiles::default()));
    }

    #[test]
    fn the_file_is_of_this_user_alone_or_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/realmctl/config.yaml");
        change(&path, |profiles| {
            *profiles = with("a", "http://x", Some("sesame"));
            Ok(())
        })
        .expect("it is written");
        let mode = |path: &Path| std::fs::metadata(path).expect("it is there").mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().expect("a folder")), 0o700);
        assert_eq!(read(&path), Ok(with("a", "http://x", Some("sesame"))));
        for others in [0o640, 0o604, 0o620, 0o660, 0o666] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(others)).expect("changed");
            let told = read(&path).expect_err("others can read it").message;
            assert!(told.contains("others may read or change it") && told.contains("chmod 600"), "{told}");
            assert!(change(&path, |_| Ok(())).is_err(), "nor is it replaced");
        }
        assert!(read(folder.path()).expect_err("no file").message.contains("this is no file"));
    }

    #[test]
    fn a_leftover_and_a_link_are_no_obstacles() {
        let folder = tempfile::tempdir().expect("a folder");
        let (kept, link) = (folder.path().join("kept.yaml"), folder.path().join("config.yaml"));
        std::fs::write(folder.path().join("kept.yaml.new"), "half").expect("it is written");
        std::fs::File::create(&kept)
            .and_then(|file| file.set_permissions(std::fs::Permissions::from_mode(0o600)))
            .expect("it is made");
        std::os::unix::fs::symlink(&kept, &link).expect("linked");
        change(&link, |profiles| {
            *profiles = with("a", "http://x", None);
            Ok(())
        })
        .expect("it is written");
        assert!(std::fs::symlink_metadata(&link).expect("it is there").is_symlink());
        assert_eq!(read(&kept), Ok(with("a", "http://x", None)));
    }
}
