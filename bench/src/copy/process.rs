//! The processes that a measurement of the copy consists of, each a run of this same binary: one that serves the regions, and
//! one for each measurement, so that its processor time and peak memory are its own.

use std::process::Stdio;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use super::Error;
use super::client::Client;
use super::regions::Regions;

/// What a process is to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Role {
    /// Serves two regions, until its input ends.
    Regions(Regions),
    /// Copies once and says what it took.
    Client(Client),
}

/// Runs the part that [`Process::start`] asked for.
///
/// # Errors
/// What went wrong in it.
pub async fn part(role: &str) -> Result<(), Error> {
    match serde_json::from_str(role).map_err(|error| Error::part(&error))? {
        Role::Regions(regions) => regions.serve().await,
        Role::Client(client) => say(&client.run().await?),
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
    pub(crate) fn start(part: &[String], role: &impl Serialize) -> Result<Self, Error> {
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
    pub(super) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// The next thing it says.
    pub(crate) async fn hears<T: DeserializeOwned>(&mut self) -> Result<T, Error> {
        let line = self.lines.next_line().await?.ok_or_else(|| Error::Part("it ended early".to_owned()))?;
        serde_json::from_str(&line).map_err(|error| Error::part(&error))
    }
}
