//! A process that stays up: what `serve`, `worker` and `dev` share. Opens the store, runs the runner and the API, waits for
//! a signal, and drains.

use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use engine::{HostLocks, Runner, RunnerSettings};
use server::{Server, ServerSettings};
use store::{Store, StoreError, StoreUrl};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use workers::{CredentialsFrom, HookSecrets, Movers, Settings, host};
use workflows::Deployment;
use workflows::actor::Actor;
use workflows::controls::pause_all;
use workflows::webhook_settings::Webhooks;

use crate::exit::{Failure, chain};
use crate::files::{read_secret, read_text};
use crate::format::parse_duration;
use crate::logging::LogFormat;
use crate::number::number;
use crate::output::Terminal;
use crate::timing_args::TimingArgs;

/// How long work in hand may take to be handed over once the process is told to stop.
const DRAIN: Duration = Duration::from_secs(30);

/// Options of every process of a deployment.
#[derive(Debug, Args)]
pub(crate) struct ProcessArgs {
    /// The catalogue's database: sqlite:PATH (one machine) or postgres://USER@HOST/DATABASE
    #[arg(long, env = "REALMCTL_STORE", value_name = "URL", hide_env_values = true)]
    store: String,
    /// Connections to a Postgres that this process may use at a time. The server needs room for those of all processes, and for one more
    /// of each, which hears announcements
    #[arg(long, env = "REALMCTL_STORE_CONNECTIONS", default_value = "16", value_name = "N", value_parser = number::<u32>(1..=1000), hide_env_values = true)]
    store_connections: u32,
    /// How log lines on stderr look
    #[arg(
        long,
        env = "REALMCTL_LOG_FORMAT",
        hide_env_values = true,
        value_enum,
        default_value = "text",
        value_name = "FORMAT"
    )]
    pub(crate) log_format: LogFormat,
    /// A folder on this machine for the lock that proves, when this process is killed, that it is dead. It must belong to this
    /// user alone; all processes of a machine share it [default: $XDG_RUNTIME_DIR/realmctl, else realmctl-UID in the
    /// temporary folder]
    #[arg(long, env = "REALMCTL_RUN_DIR", value_name = "DIR", hide_env_values = true)]
    run_dir: Option<PathBuf>,
    /// The secrets that sign requests to services with hooks: NAME=SECRET a line, `default` for services that name none
    #[arg(long, env = "REALMCTL_HOOK_SECRET_FILE", value_name = "FILE", hide_env_values = true)]
    hook_secret_file: Option<PathBuf>,
    /// Who is told what happens to tenants and moves: a YAML file of webhooks. The same for every process of a deployment
    #[arg(long, env = "REALMCTL_WEBHOOKS", value_name = "FILE", hide_env_values = true)]
    webhooks: Option<PathBuf>,
    /// How long finished workflows are kept, with their history; 0s keeps them for ever. The audit trail is always kept
    #[arg(long, env = "REALMCTL_KEEP_HISTORY", default_value = "90d", value_name = "DURATION", value_parser = parse_duration, hide_env_values = true)]
    keep_history: Duration,
    /// Pause everything before any work is claimed, for a start after an incident; `realmctl resume --all` continues
    #[arg(long)]
    start_paused: bool,
    #[command(flatten)]
    timing: TimingArgs,
}

impl ProcessArgs {
    /// How the runner of this process behaves.
    pub(crate) fn runner_settings(&self, deployment: &Deployment) -> RunnerSettings {
        RunnerSettings { keep_history: self.keep_history(), ..deployment.runner_settings() }
    }

    /// How long history is kept; none: for ever.
    pub(crate) fn keep_history(&self) -> Option<Duration> {
        (!self.keep_history.is_zero()).then_some(self.keep_history)
    }

    /// Checks the constants, then opens the store. AWS credentials come from the environment, when first needed.
    pub(crate) async fn deployment(&self) -> Result<Deployment, Failure> {
        outlive_file_size_limits()?;
        look_at_the_host();
        let timing = self.timing.timing()?;
        let hook_secrets = self.hook_secrets()?;
        let webhooks = self.webhooks(&hook_secrets)?;
        let store = open_store(&self.store, self.store_connections).await?;
        let settings = Settings {
            index_settle: timing.index_settle,
            skew: timing.max_clock_skew,
            hook_secrets,
            ..Settings::default()
        };
        let deployment = Deployment::new(store, Movers::new(CredentialsFrom::Environment, settings), timing);
        Ok(with_lock(deployment.with_webhooks(webhooks), self.run_dir.as_deref()))
    }
}

impl ProcessArgs {
    fn hook_secrets(&self) -> Result<HookSecrets, Failure> {
        self.hook_secret_file.as_deref().map_or_else(|| Ok(HookSecrets::default()), read_hook_secrets)
    }

    /// The webhooks of the file, each with its secret.
    fn webhooks(&self, secrets: &HookSecrets) -> Result<Webhooks, Failure> {
        let Some(file) = &self.webhooks else { return Ok(Webhooks::default()) };
        let said = |error: &dyn std::fmt::Display| Failure::usage(format!("--webhooks {}: {error}", file.display()));
        let text = read_text(file).map_err(|error| said(&error))?;
        Webhooks::read(&text, secrets.clone()).map_err(|error| said(&error))
    }
}

/// What is in the file is never repeated.
pub(crate) fn read_hook_secrets(file: &Path) -> Result<HookSecrets, Failure> {
    let said =
        |error: &dyn std::fmt::Display| Failure::usage(format!("--hook-secret-file {}: {error}", file.display()));
    let text = read_secret(file).map_err(|error| said(&error))?;
    HookSecrets::parse(&text).map_err(|error| said(&error))
}

/// With the lock that proves, when this process is killed, that it is dead.
pub(crate) fn with_lock(deployment: Deployment, run_dir: Option<&Path>) -> Deployment {
    match locks(run_dir) {
        Ok(locks) => deployment.with_locks(locks),
        Err(error) => {
            tracing::warn!(
                %error,
                "no lock for this process: should it be killed, moves that it was copying for will wait until no store \
                 accepts its requests; name a folder of this user with --run-dir, or in XDG_RUNTIME_DIR"
            );
            deployment
        }
    }
}

/// The lock of this process, in this folder or in the one that processes of a user share.
fn locks(run_dir: Option<&Path>) -> std::io::Result<HostLocks> {
    let folder = match (run_dir, std::env::var_os("XDG_RUNTIME_DIR")) {
        (Some(folder), _) => folder.to_owned(),
        (None, Some(folder)) => PathBuf::from(folder).join("realmctl"),
        (None, None) => std::env::temp_dir().join(format!("realmctl-{}", std::fs::metadata("/proc/self")?.uid())),
    };
    HostLocks::take(&folder)
}

impl ProcessArgs {
    /// Pauses everything if that was asked for. Call it before the runner starts.
    pub(crate) async fn hold_if_asked(&self, deployment: &Deployment, terminal: &Terminal) -> Result<(), Failure> {
        if !self.start_paused {
            return Ok(());
        }
        let by = Actor::new(deployment.owner.clone(), "started with --start-paused");
        let paused = pause_all(deployment, &by).await.map_err(|error| {
            Failure::failed(format!("everything could not be paused, so nothing was started: {}", chain(&error)))
        })?;
        let again = if paused.new { "Everything is paused" } else { "Everything is already paused" };
        terminal
            .say(&format!("{again}: look at it with `realmctl pauses`, let it go on with `realmctl resume --all`."));
        Ok(())
    }
}

/// Says what of this machine and its environment may not be as somebody expects.
fn look_at_the_host() {
    for name in host::settings_without_effect() {
        tracing::warn!(
            name,
            "this variable has no effect: the topology alone says where stores are; name the endpoint there"
        );
    }
    if !host::has_authorities() {
        tracing::warn!(
            "no certificate authority is known on this machine: only stores and services over plain HTTP can be used. Install them (the package \
             ca-certificates), or name a file of them in SSL_CERT_FILE"
        );
    }
}

/// A limit on the size of files (`ulimit -f`, a quota) is a full disk, and not the end of the process.
fn outlive_file_size_limits() -> Result<(), Failure> {
    /// Sent to a process that writes beyond its limit. Once it is listened to, it is never again the end of the process.
    const SIGXFSZ: i32 = 25;
    signal(SignalKind::from_raw(SIGXFSZ)).map(drop).map_err(no_signals)
}

/// Opens the store and says in one sentence why it can't be.
pub(crate) async fn open_store(url: &str, connections: u32) -> Result<Store, Failure> {
    // The value is never repeated: it may hold a password.
    let url: StoreUrl = url.parse().map_err(|error: StoreError| Failure::usage(format!("--store: {error}")))?;
    let named = url.place();
    Store::open_with_connections(&url, connections).await.map_err(|error| {
        let next = match &error {
            // They say themselves what to do.
            StoreError::Unfit(why) => return Failure::failed(format!("can't open the store {named}: {why}")),
            StoreError::BadUrl(why) => return Failure::usage(format!("--store: {why}")),
            StoreError::Migration(_) | StoreError::Refused(_) => {
                "check that this is realmctl's own database, of this version or an earlier release (a catalogue of a version from before the first release can't be opened: create a new one)"
            }
            StoreError::Unavailable(_) if error.says_what_to_do() => {
                return Failure::failed(format!("can't open the store {named}: {}", chain(&error)));
            }
            _ if matches!(url, StoreUrl::Postgres(_)) => "check that the database runs, and its address",
            _ => "check that the folder exists and that this user may write there",
        };
        Failure::failed(format!("can't open the store {named}: {next} ({})", chain(&error)))
    })
}

/// Listens, or says in one sentence why it can't.
pub(crate) async fn listen(at: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(at).await.map_err(|error| {
        let message = match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                format!("{at} is in use already: stop what listens there, or choose another address with --listen")
            }
            _ => format!("can't listen on {at}: choose another address with --listen ({error})"),
        };
        Failure::failed(message)
    })
}

/// A runner, and perhaps an API, at work in this process. Dropping it stops them where they stand.
pub(crate) struct Running {
    tasks: JoinSet<Result<(), Failure>>,
    stop: CancellationToken,
    store: Store,
}

impl Running {
    /// Starts both.
    pub(crate) fn start(
        deployment: &Deployment,
        runner: RunnerSettings,
        api: Option<(TcpListener, ServerSettings)>,
    ) -> Self {
        let stop = CancellationToken::new();
        let store = deployment.store.clone();
        let runner = Runner::new(store.clone(), workflows::registry(deployment), runner, deployment.owner.clone());
        let mut tasks = JoinSet::new();
        if let Some((listener, settings)) = api {
            let server = Server::new(deployment.clone(), runner.waker(), settings);
            let stop = stop.clone();
            tasks.spawn(async move {
                let served = server.serve(listener, stop).await;
                served.map_err(|error| Failure::failed(format!("the API broke off: {}", chain(&error))))
            });
        }
        if !deployment.webhooks.all.is_empty() {
            tasks.spawn(tell_webhooks(deployment.clone(), stop.clone()));
        }
        let stopped = stop.clone();
        tasks.spawn(async move {
            runner.run(stopped).await;
            Ok(())
        });
        Self { tasks, stop, store }
    }

    /// Waits for SIGINT, SIGTERM or the end of a part, then drains.
    pub(crate) async fn until_signal(self, terminal: &Terminal) -> Result<(), Failure> {
        let words = [
            "Stopping: running work continues later, from its last checkpoint.",
            "stopped at once; other processes take over when its leases expire",
        ];
        self.until_signal_with(terminal, words).await
    }

    /// The same where nothing is kept.
    #[cfg(feature = "playground")]
    pub(crate) async fn until_signal_for_good(self, terminal: &Terminal) -> Result<(), Failure> {
        self.until_signal_with(terminal, ["Stopping.", "stopped at once"]).await
    }

    async fn until_signal_with(mut self, terminal: &Terminal, words: [&str; 2]) -> Result<(), Failure> {
        let [stopping, at_once] = words;
        let ended = tokio::select! {
            interrupted = interrupted() => interrupted,
            Some(ended) = self.tasks.join_next() => {
                outcome(ended).and_then(|()| Err(Failure::failed("a part of the process ended by itself")))
            }
        };
        terminal.say(&format!("{stopping} Press Ctrl-C again to stop at once."));
        let drained = tokio::select! {
            drained = self.stop() => drained,
            again = interrupted() => again.and_then(|()| Err(Failure::failed(at_once))),
        };
        ended.and(drained)
    }

    /// Stops both and waits for it, bounded.
    pub(crate) async fn stop(mut self) -> Result<(), Failure> {
        self.stop.cancel();
        let drain = async {
            let mut result = Ok(());
            while let Some(ended) = self.tasks.join_next().await {
                result = result.and(outcome(ended));
            }
            self.store.close().await;
            result
        };
        let too_long = || {
            Failure::failed(format!(
                "running work did not end within {DRAIN:?}; other processes take over when its leases expire"
            ))
        };
        tokio::time::timeout(DRAIN, drain).await.unwrap_or_else(|_| Err(too_long()))
    }
}

/// Tells the webhooks of this process until it stops; what is being sent then is waited for.
async fn tell_webhooks(deployment: Deployment, stop: CancellationToken) -> Result<(), Failure> {
    let (tell, stops) = tokio::sync::watch::channel(false);
    let telling = workflows::webhooks::run(deployment, stops);
    let stopping = async {
        stop.cancelled().await;
        tell.send_replace(true);
    };
    tokio::join!(telling, stopping);
    Ok(())
}

/// Ends when the process is told to stop.
pub(crate) async fn interrupted() -> Result<(), Failure> {
    let listen = |kind| signal(kind).map_err(no_signals);
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn no_signals(error: std::io::Error) -> Failure {
    Failure::failed(format!("signals can't be received: {error}"))
}

fn outcome(ended: Result<Result<(), Failure>, tokio::task::JoinError>) -> Result<(), Failure> {
    ended.unwrap_or_else(|error| Err(Failure::failed(format!("a bug: a part of the process panicked: {error}"))))
}
