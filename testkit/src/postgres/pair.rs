//! A primary and its synchronous standby: what a deployment that loses no commit runs its catalogue on.

use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::server::{Server, Tools};
use crate::Error;

/// How often a standby is asked for, and how many times.
const LOOK: Duration = Duration::from_millis(100);
const MOST_LOOKS: u32 = 600;

/// A primary with a standby that every commit waits for.
#[derive(Debug)]
pub struct Pair {
    folder: std::path::PathBuf,
    primary: Server,
    standby: Option<Server>,
    servers: u32,
}

impl Pair {
    /// Makes both in `folder`, which must exist; they and their logs stay there.
    ///
    /// # Errors
    /// No Postgres on this machine, or one that does not start: the message names its log.
    pub async fn start(folder: &Path) -> Result<Self, Error> {
        let tools = Tools::find(random_password()?)?;
        tools.give(folder)?;
        let primary = Server::create(&tools, folder, "server-1").await?;
        let standby = standby_of(&primary, folder, 2).await?;
        Ok(Self { folder: folder.to_owned(), primary, standby: Some(standby), servers: 2 })
    }

    /// Where the primary listens.
    #[must_use]
    pub fn primary(&self) -> SocketAddr {
        self.primary.address()
    }

    pub(super) fn tools(&self) -> &Tools {
        self.primary.tools()
    }

    /// The URL of the catalogue's database at a port, such as a proxy's.
    #[must_use]
    pub fn url_at(&self, port: u16) -> String {
        format!("postgres://realmctl:{}@127.0.0.1:{port}/postgres", self.tools().password())
    }

    /// Restarts the primary as after a power cut, and waits until commits reach the standby again.
    ///
    /// # Errors
    /// It does not come back.
    pub async fn restart_primary(&mut self) -> Result<(), Error> {
        self.primary.restart_immediately().await?;
        until_standby(&self.primary, true).await
    }

    /// Loses the primary for good, and promotes the standby: what was committed is there. `lead` keeps clients away (`None`) and
    /// then leads them to the new primary, which has no standby until [`Self::add_standby`].
    ///
    /// # Errors
    /// The standby had not caught up, or is not promoted.
    pub async fn lose_primary(&mut self, lead: impl Fn(Option<SocketAddr>)) -> Result<(), Error> {
        let standby = self.standby.take().ok_or_else(|| Error::plain("there is no standby to promote"))?;
        // A standby that is still catching up lacks commits that clients have seen: promoting it would lose them.
        until_standby(&self.primary, true).await?;
        self.primary.kill()?;
        lead(None);
        standby.promote().await?;
        lead(Some(standby.address()));
        self.primary = standby;
        Ok(())
    }

    /// Gives the primary a standby again, which commits wait for from then on.
    ///
    /// # Errors
    /// The copy fails.
    pub async fn add_standby(&mut self) -> Result<(), Error> {
        self.servers += 1;
        self.standby = Some(standby_of(&self.primary, &self.folder, self.servers).await?);
        Ok(())
    }
}

fn random_password() -> Result<String, Error> {
    let mut bytes = [0; 16];
    let random = std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    random.map_err(Error::doing("read random bytes"))?;
    Ok(blake3::hash(&bytes).to_hex()[..32].to_owned())
}

async fn standby_of(primary: &Server, folder: &Path, number: u32) -> Result<Server, Error> {
    let standby = Server::copy_of(primary, folder, &format!("server-{number}")).await?;
    until_standby(primary, false).await?;
    primary.wait_for_standby_at_commit().await?;
    until_standby(primary, true).await?;
    Ok(standby)
}

async fn until_standby(primary: &Server, at_commit: bool) -> Result<(), Error> {
    for _ in 0..MOST_LOOKS {
        if primary.has_standby(at_commit).await? {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
    Err(Error::plain(format!("no standby after {:?}", LOOK * MOST_LOOKS)))
}
