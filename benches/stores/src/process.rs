//! The processes that a measurement of the copy consists of, each a run of this same binary: one that serves the regions, and
//! one for each measurement, so that its processor time and peak memory are its own.

use std::process::Stdio;
use std::time::Instant;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use testkit::{Ports, Region};

use crate::job::{Addresses, Job, Measured, Side};
use crate::stores::Stores;
use crate::{Error, SOURCE_REGION, TARGET_REGION, usage};

/// What a process is to do.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Role<S> {
    /// Serves two regions, until its input ends.
    Regions(S),
    /// Copies once and says what it took.
    Copy(Side, Job),
}

/// Does what [`Process::start`] asked for.
pub(crate) async fn part<S: Stores>(role: &str) -> Result<(), Error> {
    match serde_json::from_str::<Role<S>>(role).map_err(|error| Error::part(&error))? {
        Role::Regions(stores) => serve(&stores).await,
        Role::Copy(side, job) => say(&measure::<S>(&job, side).await?),
    }
}

/// Has one side do the job; what it took.
async fn measure<S: Stores>(job: &Job, side: Side) -> Result<Measured, Error> {
    let (began, cpu) = (Instant::now(), usage::cpu_seconds(None)?);
    let copied = match side {
        Side::Bare { in_flight } => S::by_sdk(job, in_flight).await?,
        Side::Movers { verification, prefixed } => S::by_movers(job, verification, prefixed).await?,
    };
    Ok(Measured {
        count: copied.count,
        seconds: began.elapsed().as_secs_f64(),
        cpu_seconds: usage::cpu_seconds(None)? - cpu,
        peak_kib: usage::peak_kib()?,
        regions_cpu_seconds: 0.0,
        reads: copied.reads,
    })
}

/// Serves both regions until nobody wants them any more.
async fn serve<S: Stores>(stores: &S) -> Result<(), Error> {
    let start = |name| Region::start(name, stores.storage(name), Ports::Any).map_err(|error| Error::part(&error));
    let (from, to) = (start(SOURCE_REGION)?, start(TARGET_REGION)?);
    stores.fill(&from).await?;
    say(&Addresses { from: S::endpoint(&from).to_owned(), to: S::endpoint(&to).to_owned() })?;
    until_dismissed().await;
    Ok(())
}

/// Says what the parent waits for, as one line.
pub(crate) fn say<T: Serialize>(said: &T) -> Result<(), Error> {
    println!("{}", serde_json::to_string(said).map_err(|error| Error::part(&error))?);
    Ok(())
}

/// Waits until the parent wants nothing more, or has died.
pub(crate) async fn until_dismissed() {
    let mut rest = Vec::new();
    // An error is an end as well.
    drop(tokio::io::stdin().read_to_end(&mut rest).await);
}

/// A process that is ended when this is dropped.
pub(crate) struct Process {
    child: Child,
    lines: tokio::io::Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// `part`: the arguments that make this binary run [`part`] with one more.
    pub(crate) fn start<S: Stores>(part: &[String], role: &Role<S>) -> Result<Self, Error> {
        let role = serde_json::to_string(role).map_err(|error| Error::part(&error))?;
        let mut child = Command::new(std::env::current_exe()?)
            .args(part)
            .arg(role)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let output = child.stdout.take().ok_or_else(|| Error::Part("it has no output".to_owned()))?;
        Ok(Self { child, lines: BufReader::new(output).lines() })
    }

    /// Its id, while it runs.
    pub(crate) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// The next thing it says.
    pub(crate) async fn hears<T: DeserializeOwned>(&mut self) -> Result<T, Error> {
        let line = self.lines.next_line().await?.ok_or_else(|| Error::Part("it ended early".to_owned()))?;
        serde_json::from_str(&line).map_err(|error| Error::part(&error))
    }
}
