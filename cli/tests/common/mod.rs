//! What the tests of the command line share: running `realmctl` as a person would, and servers that end with their test.
#![expect(dead_code, reason = "each test binary uses its share of these")]

pub(crate) mod world;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

const REALMCTL: &str = env!("CARGO_BIN_EXE_realmctl");
/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Lines that a process has logged.
type Log = Arc<Mutex<Vec<String>>>;

/// What a run of `realmctl` left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// The same, if it ended with this exit code.
    #[track_caller]
    pub(crate) fn ends_with(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    /// Its stdout as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in {self:#?}"))
    }
}

/// `realmctl` with nothing in its environment that would change what it says, and credentials, without which it would not do any data work.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = clean(Command::new(REALMCTL));
    command.args(args);
    command
}

/// What a shell makes of a line, with `realmctl` in its path and both outputs in one.
pub(crate) fn shell(line: &str) -> Command {
    let folder = std::path::Path::new(REALMCTL).parent().expect("it lies in a folder");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(folder.to_owned()).chain(std::env::split_paths(&path));
    let mut command = clean(Command::new("sh"));
    command.args(["-c", &format!("exec 2>&1\n{line}")]);
    command.env("PATH", std::env::join_paths(folders).expect("folders without colons"));
    command
}

fn clean(mut command: Command) -> Command {
    command.stdin(Stdio::null());
    let ours = std::env::vars_os()
        .filter(|(name, _)| ["REALMCTL_", "AWS_"].iter().any(|begin| name.to_string_lossy().starts_with(begin)));
    for name in ours.map(|(name, _)| name).chain(["RUST_LOG", "COLUMNS", "CLICOLOR_FORCE"].map(Into::into)) {
        command.env_remove(name);
    }
    // Whoever runs the tests may have profiles.
    command.env("REALMCTL_CONFIG", "/nonexistent/config.yaml");
    command.env("AWS_ACCESS_KEY_ID", "AKIDTEST").env("AWS_SECRET_ACCESS_KEY", "secret");
    command
}

/// Runs `realmctl` to its end.
pub(crate) fn realmctl(args: &[&str]) -> Ran {
    run(&mut command(args))
}

/// The commands that a help lists.
pub(crate) fn commands_in(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let named = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    named.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Ran {
    let output = command.output().expect("realmctl can be run");
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
    }
}

/// A process that stays up, until it is dropped at the latest.
pub(crate) struct Up {
    child: Child,
    /// Reads what else it says, and tells when that ends: with the process.
    drain: Option<JoinHandle<()>>,
    ended: Receiver<()>,
    log: Log,
    /// Where its API is.
    pub(crate) url: String,
}

impl Up {
    /// `realmctl serve` on a free port.
    pub(crate) fn serve(store: &std::path::Path, more: &[&str]) -> Self {
        Self::serve_with(store, more, &[])
    }

    /// The same with these variables in its environment.
    pub(crate) fn serve_with(store: &std::path::Path, more: &[&str], environment: &[(&str, &str)]) -> Self {
        let store = format!("sqlite:{}", store.display());
        let mut args = vec!["serve", "--listen", "127.0.0.1:0", "--store", &store];
        args.extend(more);
        let mut serve = command(&args);
        serve.envs(environment.iter().copied()).stderr(Stdio::piped());
        let mut child = serve.spawn().expect("realmctl can be started");
        let mut lines = BufReader::new(child.stderr.take().expect("stderr is piped")).lines();
        let said = lines.by_ref().map_while(Result::ok).find(|line| line.contains("Serving "));
        let url = said.and_then(|line| line.split("Serving ").nth(1).map(str::to_owned));
        let log: Log = Arc::default();
        let kept = Arc::clone(&log);
        let keep = move |line| kept.lock().expect("nobody panics with the log in hand").push(line);
        let mut up = Self::draining(child, move || lines.map_while(Result::ok).for_each(keep));
        up.log = log;
        up.url = url.unwrap_or_else(|| panic!("the server said nothing and ended with {:?}", up.child.wait()));
        up
    }

    /// The same with a file as its log.
    pub(crate) fn serve_logging_to(log: &std::path::Path, store: &std::path::Path) -> Self {
        let store = format!("sqlite:{}", store.display());
        let mut serve = command(&["serve", "--listen", "127.0.0.1:0", "--store", &store]);
        serve.stderr(std::fs::File::create(log).expect("the log can be made"));
        let mut up = Self::draining(serve.spawn().expect("realmctl can be started"), || {});
        let begun = std::time::Instant::now();
        while up.url.is_empty() {
            assert!(begun.elapsed() < std::time::Duration::from_secs(60), "the server said nothing");
            let said = std::fs::read_to_string(log).expect("the log can be read");
            let line = said.split_inclusive('\n').find(|line| line.contains("Serving ") && line.ends_with('\n'));
            up.url = line.and_then(|line| line.trim_end().split("Serving ").nth(1)).unwrap_or_default().to_owned();
            std::thread::yield_now();
        }
        up
    }

    /// `realmctl dev` on a free port.
    pub(crate) fn dev() -> Self {
        let args = ["dev", "--listen", "127.0.0.1:0", "--output", "json"];
        let mut child = command(&args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it can be started");
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let mut text = String::new();
        while !text.ends_with("\n}\n") && stdout.read_line(&mut text).expect("stdout is UTF-8") > 0 {}
        let mut up = Self::draining(child, move || drop(stdout.read_to_end(&mut Vec::new())));
        let said: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"));
        up.url = said["server"].as_str().expect("dev names its server").to_owned();
        up
    }

    /// A shell's command that stays up, once one of its lines has `ready`; and its lines so far.
    pub(crate) fn shell(command: &mut Command, ready: &str) -> (Self, String) {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it can be started");
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let mut text = String::new();
        while !text.lines().last().is_some_and(|line| line.contains(ready)) {
            let read = stdout.read_line(&mut text).expect("stdout is UTF-8");
            assert!(read > 0, "it ended before it said {ready:?}: {text}");
        }
        let mut up = Self::draining(child, move || drop(stdout.read_to_end(&mut Vec::new())));
        let url = text.find("http://").map(|at| text[at..].split(['"', ' ', '\n']).next().unwrap_or_default());
        up.url = url.unwrap_or_default().to_owned();
        (up, text)
    }

    fn draining(child: Child, drain: impl FnOnce() + Send + 'static) -> Self {
        let (tell, ended) = channel();
        let drain = std::thread::spawn(move || {
            drain();
            // Nobody asks any more when the test is over.
            let _ = tell.send(());
        });
        Self { child, drain: Some(drain), ended, log: Log::default(), url: String::new() }
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has logged since it was up, if it is a server.
    pub(crate) fn logged(&self) -> Vec<String> {
        self.log.lock().expect("nobody panics with the log in hand").clone()
    }

    /// Status and body of a GET without a token.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        let host = self.url.strip_prefix("http://").expect("a server without TLS");
        let mut stream = TcpStream::connect(host).expect("the server listens");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").expect("it is sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        (status.expect("a status"), body.to_owned())
    }

    /// Runs a client command against it.
    pub(crate) fn ask(&self, args: &[&str]) -> Ran {
        realmctl(&[args, &["--server", &self.url]].concat())
    }

    /// Runs a client command against it and reads the JSON that it prints.
    #[track_caller]
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        self.ask(&[args, &["--output", "json"]].concat()).ends_with(0).json()
    }

    /// Tells it to stop, and waits for it.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        let told = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(told.is_ok_and(|status| status.success()), "the signal was sent");
        self.ended.recv_timeout(PATIENCE).expect("it stops when it is told to");
        self.child.wait().expect("the child can be waited for")
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
        if let Some(drain) = self.drain.take() {
            drop(drain.join());
        }
    }
}
