//! The processes that a measurement of the copy consists of, each a run of this same binary: one that serves the regions, and
//! one for each measurement, so that its processor time and peak memory are its own.

use std::process::Stdio;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use crate::Error;
use crate::job::{Job, Side};
use crate::stores::{Stores, serve};

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
        Role::Copy(side, job) => say(&job.run::<S>(side).await?),
    }
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
