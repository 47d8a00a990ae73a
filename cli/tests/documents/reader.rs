//! Somebody who goes through a page and types what it shows.

use std::net::SocketAddr;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use testkit::proxy::Proxy;

use crate::blocks::Shown;
use crate::common::world::TOPOLOGY;
use crate::common::{Up, run, shell};
use crate::pages::{Before, Begins, before};
use crate::shape;

/// How each long-running command says that it is up.
const READY: [(&str, &str); 3] =
    [("realmctl dev", "Ctrl-C ends it."), ("realmctl serve", "Serving http"), ("realmctl worker", "Worker started")];

/// Somebody at a terminal.
pub(crate) struct Reader {
    page: String,
    folder: TempDir,
    runtime: tokio::runtime::Runtime,
    begins: Begins,
    /// What was started, the newest last.
    processes: Vec<Up>,
    /// The server that commands talk to.
    server: String,
    /// The token that was shown last: what `rct_…` stands for.
    secret: String,
    /// What `export` has set.
    exports: Vec<String>,
    /// Stands for `postgres://realmctl@db/realmctl`.
    postgres: Option<String>,
    /// Stands for `https://tables.example:8000`.
    other_name: Option<Proxy>,
}

impl Reader {
    pub(crate) fn new(page: &str, begins: Begins) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let mut reader = Self {
            page: page.to_owned(),
            folder: tempfile::tempdir().expect("a temporary folder"),
            runtime: runtime.expect("a runtime"),
            begins,
            processes: Vec::new(),
            server: "http://127.0.0.1:9".to_owned(),
            secret: String::new(),
            exports: Vec::new(),
            postgres: None,
            other_name: None,
        };
        match begins {
            Begins::Nothing => {}
            Begins::Playground => reader.keep(Up::dev()),
            Begins::Empty => {
                reader.keep(Up::serve(&reader.folder.path().join("realmctl.db"), &[]));
                std::fs::write(reader.folder.path().join("topology.yaml"), TOPOLOGY).expect("it is written");
                reader.prepare("realmctl topology apply topology.yaml");
            }
        }
        reader
    }

    fn keep(&mut self, process: Up) {
        // What a page starts itself is talked to if it is all there is.
        let first = self.processes.is_empty() || self.begins == Begins::Nothing;
        if first && !process.url.is_empty() {
            self.server.clone_from(&process.url);
        }
        self.processes.push(process);
    }

    /// Types one command and compares what it prints.
    pub(crate) fn run(&mut self, shown: &Shown) {
        let at = format!("{}:{}", self.page, shown.line);
        match before(&self.page, &shown.command) {
            None => {}
            Some(Before::Run(lines)) => drop(self.prepare(lines)),
            Some(Before::LateWrites) => self.leave_late_writes(),
            Some(Before::TopologyFile) => self.write_topology(),
        }
        if shown.command.starts_with("realmctl move acme") && !shown.command.contains("--dry-run") {
            // Pages show several ways to start a move; a tenant has one at a time.
            self.cancel_scheduled_moves();
        }
        let command = self.with_values(&shown.command);
        let output = if let Some(variables) = command.strip_prefix("export ") {
            self.exports.push(variables.to_owned());
            String::new()
        } else if let Some((_, ready)) = READY.iter().find(|(begin, _)| command.starts_with(begin)) {
            let listen = if command.starts_with("realmctl worker") { "" } else { " --listen 127.0.0.1:0" };
            let (process, said) = Up::shell(&mut self.shell(&format!("exec {command}{listen}")), ready);
            self.keep(process);
            said
        } else {
            let ran = run(&mut self.shell(&command));
            let fails = shown.output.iter().any(|line| line.starts_with("error: "));
            assert_eq!(ran.code != 0, fails, "{at}: `{command}` ended with {}:\n{}", ran.code, ran.stdout);
            ran.stdout
        };
        if let Some(secret) = output.split_whitespace().find(|word| word.starts_with("rct_")) {
            secret.clone_into(&mut self.secret);
        }
        if let Some(line) = shape::missing(&shown.output, &output) {
            panic!("{at}: `{command}` is shown to print\n  {line}\nand printed\n{output}");
        }
        if let Some(json) = &shown.json {
            let (shown, got) = (fields(json), fields(&output));
            assert_eq!(shown, got, "{at}: the fields of what `{command}` is answered:\n{output}");
        }
    }

    /// Everything that it started ends when it is told to.
    pub(crate) fn end(self) {
        for process in self.processes.into_iter().rev() {
            assert_eq!(process.terminate().code(), Some(0), "{}", self.page);
        }
    }

    fn shell(&self, line: &str) -> Command {
        let mut exports = format!("export REALMCTL_COLUMNS=80 REALMCTL_SERVER={}", self.server);
        for variables in &self.exports {
            exports += &format!("; export {variables}");
        }
        let mut command = shell(&format!("{exports}\n{line}"));
        command.current_dir(self.folder.path());
        command
    }

    /// Runs lines that the page does not show.
    fn prepare(&self, lines: &str) -> String {
        run(&mut self.shell(lines)).ends_with(0).stdout
    }

    fn json(&self, command: &str) -> Value {
        // Without the notes.
        let output = self.prepare(&format!("{command} --output json 2>/dev/null"));
        serde_json::from_str(&output).unwrap_or_else(|error| panic!("{error} in {output}"))
    }

    /// The command with what this reader has in place of the page's examples.
    fn with_values(&mut self, command: &str) -> String {
        let mut command =
            command.replace("https://realmctl.example", &self.server).replace("http://127.0.0.1:8642", &self.server);
        command = command
            .replace("rct_…", &self.secret)
            .replace("TOKEN=…", "TOKEN=a-long-secret")
            .replace("--listen 0.0.0.0:8642", "");
        command = command.replace("22:00-04:00", "$(date -u -d '-1 hour' +%H:%M)-$(date -u -d '+3 hours' +%H:%M)");
        for (day, after) in [("2026-12-01", 1), ("2026-12-02", 2)] {
            command = command.replace(day, &format!("$(date -u -d '+{after} days' +%F)"));
        }
        if command.contains("postgres://realmctl@db/realmctl") {
            let database = self.postgres.get_or_insert_with(|| {
                self.runtime.block_on(testkit::postgres::fresh_database()).expect("a database").url
            });
            command = command.replace("postgres://realmctl@db/realmctl", database);
        }
        if command.contains("|aws:eu-west-1|") {
            let there = self.endpoint("eu-west-1", "dynamodb");
            command = command.replace("|aws:eu-west-1|", &format!("|{there}|"));
        }
        if command.contains("https://tables.example:8000") {
            let proxy =
                self.runtime.block_on(Proxy::start(Some(self.endpoint("us-east-1", "dynamodb")))).expect("a free port");
            command = command.replace("https://tables.example:8000", &format!("http://127.0.0.1:{}", proxy.port()));
            self.other_name = Some(proxy);
        }
        if command.contains("01a20046") {
            command = command.replace("01a20046", &self.first("realmctl moves list --tenant acme"));
        }
        if command.contains("0199f3a0") {
            command = command.replace("0199f3a0", &self.first("realmctl campaigns list"));
        }
        if command.contains("0199f3a2") {
            let removal = self.first("realmctl removals list --failed");
            if command.contains("9f1c2a0b77aa51de") {
                let shown = self.json(&format!("realmctl removals show {removal}"));
                let hash = shown["lateWritesFound"]["hash"].as_str().expect("the hash of what was found");
                command = command.replace("9f1c2a0b77aa51de", hash);
            }
            command = command.replace("0199f3a2", &removal);
        }
        command
    }

    fn cancel_scheduled_moves(&self) {
        let scheduled = self.json("realmctl moves list --tenant acme --state scheduled");
        for open in scheduled["items"].as_array().expect("a list") {
            self.prepare(&format!("realmctl moves cancel {}", open["id"].as_str().expect("an id")));
        }
    }

    /// The id of the first of a list.
    fn first(&self, list: &str) -> String {
        let list = self.json(list);
        list["items"][0]["id"].as_str().unwrap_or_else(|| panic!("an item in {list}")).to_owned()
    }

    /// Where a store of the playground is.
    fn endpoint(&self, region: &str, store: &str) -> SocketAddr {
        let shown = self.json("realmctl topology show");
        let endpoint = shown["topology"]["regions"][region][store]["endpoint"].as_str().expect("an endpoint");
        endpoint.trim_start_matches("http://").parse().expect("an address")
    }

    fn write_topology(&self) {
        let running = run(&mut self.shell("realmctl topology show --output json"));
        let shown: Value = serde_json::from_str(&running.stdout).unwrap_or_default();
        let file = if shown["version"].as_i64().is_some_and(|version| version > 0) {
            // JSON is YAML as well.
            shown["topology"].to_string()
        } else {
            let page = std::fs::read_to_string(crate::root().join("docs/reference/topology.md")).expect("the page");
            let begin = page.split_once("```yaml\n").expect("the page begins with an example").1;
            begin.split_once("\n```").expect("a block ends").0.to_owned()
        };
        std::fs::write(self.folder.path().join("topology.yaml"), file).expect("it is written");
    }

    /// Takes acme to eu, writes an object at the place that it has left, and waits until its removal has found that.
    fn leave_late_writes(&self) {
        // A pause lets the move go on, because its tenant is offline, and holds the removals.
        self.prepare(
            "realmctl move acme --to eu || exit
             until realmctl tenants show acme | grep -Eq 'Status *moving|Realm *eu'; do :; done
             realmctl tenants pause acme || exit
             until realmctl tenants show acme | grep -q 'Status *online'; do :; done",
        );
        let client =
            testkit::region::s3_client_at("us-east-1", &format!("http://{}", self.endpoint("us-east-1", "s3")));
        let write = testkit::fixtures::write_object(&client, "media-us-east-1", "acme/late.txt", "late");
        self.runtime.block_on(write).expect("it is written");
        self.prepare(
            "realmctl tenants resume acme && for look in $(seq 300); do realmctl removals list --failed | grep -q media-service && exit; done; exit 1",
        );
    }
}

/// The fields of an object, as `curl` or a page prints it.
fn fields(text: &str) -> Vec<String> {
    let begin = text.find('{').unwrap_or_else(|| panic!("an object in {text}"));
    let object = serde_json::Deserializer::from_str(&text[begin..]).into_iter::<Value>().next();
    let object = object.and_then(Result::ok).unwrap_or_else(|| panic!("an object in {text}"));
    object.as_object().expect("an object").keys().cloned().collect()
}
