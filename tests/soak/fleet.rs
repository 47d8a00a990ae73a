//! The processes under test: servers and workers, each behind a proxy of its own, restarted when they end, as a supervisor does.

use std::fs::OpenOptions;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use testkit::proxy::Proxy;
use testkit::{Error, region};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::catalogue::Catalogue;
use crate::stage::Stage;

/// Servers, then workers.
pub(crate) const SERVERS: usize = 2;
/// All processes.
pub(crate) const PROCESSES: usize = 4;

/// How long a supervisor waits before it starts a process again.
const RESTART_AFTER: Duration = Duration::from_millis(500);

/// The running processes. Dropping it kills them.
pub(crate) struct Fleet {
    pub(crate) processes: Vec<Process>,
    stop: CancellationToken,
    keepers: JoinSet<()>,
}

/// One process. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Process {
    pub(crate) name: String,
    pub(crate) proxy: Arc<Proxy>,
    pid: Arc<Mutex<Option<Pid>>>,
}

/// How one process is started, each time.
struct Recipe {
    number: usize,
    name: String,
    realmctl: PathBuf,
    timing: Vec<(&'static str, String)>,
    arguments: Vec<String>,
    store: String,
    log: PathBuf,
}

impl Fleet {
    /// Where the servers will listen: ports that are free now.
    pub(crate) fn addresses() -> Result<Vec<SocketAddr>, Error> {
        let free = |_| std::net::TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
        let found: Result<Vec<_>, _> = (0..SERVERS).map(free).collect();
        found.map_err(|error| Error::new("look for free ports", error))
    }

    /// Starts them all.
    pub(crate) async fn start(
        stage: &Arc<Stage>,
        realmctl: &Path,
        timing: &[(&'static str, String)],
        servers: &[SocketAddr],
        catalogue: &Catalogue,
        logs: &Path,
    ) -> Result<Self, Error> {
        let stop = CancellationToken::new();
        let (mut processes, mut keepers) = (Vec::new(), JoinSet::new());
        for number in 0..PROCESSES {
            let (name, arguments) = match servers.get(number) {
                Some(at) => {
                    (format!("server-{number}"), vec!["serve".to_owned(), "--listen".to_owned(), at.to_string()])
                }
                None => (format!("worker-{number}"), vec!["worker".to_owned()]),
            };
            let proxy = Proxy::start(catalogue.address()).await?;
            let pid = Arc::default();
            let recipe = Recipe {
                number,
                name: name.clone(),
                realmctl: realmctl.to_owned(),
                timing: timing.to_vec(),
                arguments,
                store: catalogue.url_at(proxy.port()),
                log: logs.join(format!("{name}.log")),
            };
            keepers.spawn(keep(Arc::clone(stage), recipe, Arc::clone(&pid), stop.clone()));
            processes.push(Process { name, proxy: Arc::new(proxy), pid });
        }
        Ok(Self { processes, stop, keepers })
    }

    /// Tells every process to stop, and waits for it.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        while self.keepers.join_next().await.is_some() {}
    }
}

impl Process {
    /// Lets it write no file beyond so many bytes; `None` takes the limit away. A disk that is full, as far as it can tell. One that is killed
    /// meanwhile has a successor without a limit.
    pub(crate) fn limit_files(&self, bytes: Option<u64>) -> Result<(), Error> {
        let pid = *self.pid.lock().expect("no holder of this lock panics");
        let limit = Rlimit { current: bytes, maximum: None };
        match pid.map(|pid| prlimit(Some(pid), Resource::Fsize, limit)) {
            None | Some(Ok(_) | Err(Errno::SRCH)) => Ok(()),
            Some(Err(error)) => Err(Error::new("limit the size of files", error)),
        }
    }

    /// Sends a signal. `false`: it is not running just now.
    pub(crate) fn signal(&self, signal: Signal) -> bool {
        let pid = self.pid.lock().expect("no holder of this lock panics");
        pid.is_some_and(|pid| kill_process(pid, signal).is_ok())
    }
}

/// Starts the process whenever it is not running, until told to stop.
async fn keep(stage: Arc<Stage>, recipe: Recipe, pid: Arc<Mutex<Option<Pid>>>, stop: CancellationToken) {
    let set = |running: Option<Pid>| *pid.lock().expect("no holder of this lock panics") = running;
    while !stop.is_cancelled() {
        let mut child = match spawn(&recipe) {
            Ok(child) => child,
            Err(error) => return stage.problem(format!("{} can't be started: {error}", recipe.name)),
        };
        set(child.id().and_then(|id| Pid::from_raw(id.cast_signed())));
        stage.health.process_is_back(recipe.number);
        tokio::select! {
            ended = child.wait() => {
                set(None);
                stage.health.process_is_away(recipe.number);
                note_end(&stage, &recipe.name, ended);
            }
            () = stop.cancelled() => {
                end(&stage, &recipe.name, child).await;
                set(None);
                return;
            }
        }
        // Returns early when it is time to stop: the loop's condition sees to the rest.
        let _ = stop.run_until_cancelled(tokio::time::sleep(RESTART_AFTER)).await;
    }
}

/// A process may be killed by us, or end because it finds no catalogue when it starts. It must not panic or crash.
fn note_end(stage: &Stage, name: &str, ended: std::io::Result<std::process::ExitStatus>) {
    use std::os::unix::process::ExitStatusExt;
    match ended {
        Ok(status) if status.signal() == Some(9) => stage.event(&format!("{name} was killed")),
        Ok(status) if status.code() == Some(1) => {
            stage.count("ended by itself");
            stage.event(&format!("{name} ended with {status}"));
        }
        other => stage.problem(format!("{name} ended with {other:?}")),
    }
}

/// Tells a process to stop; one that does not is killed, and a problem.
async fn end(stage: &Stage, name: &str, mut child: Child) {
    if let Some(pid) = child.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
        // It may have ended just now.
        let _ = kill_process(pid, Signal::TERM);
    }
    if tokio::time::timeout(Duration::from_secs(40), child.wait()).await.is_err() {
        stage.problem(format!("{name} does not stop when it is told to"));
        drop(child.kill().await);
    }
}

fn spawn(recipe: &Recipe) -> std::io::Result<Child> {
    let log = OpenOptions::new().create(true).append(true).open(&recipe.log)?;
    let credentials = region::credentials();
    let mut command = Command::new(&recipe.realmctl);
    let inherited = std::env::vars_os().map(|(name, _)| name);
    for name in
        inherited.filter(|name| ["REALMCTL_", "AWS_"].iter().any(|ours| name.to_string_lossy().starts_with(ours)))
    {
        command.env_remove(name);
    }
    command
        .args(&recipe.arguments)
        .envs(recipe.timing.iter().map(|(name, value)| (name, value)))
        .env("REALMCTL_STORE", &recipe.store)
        .env("AWS_ACCESS_KEY_ID", credentials.access_key_id())
        .env("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key())
        .env("AWS_REGION", "us-east-1")
        .env("RUST_LOG", "info")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
}
