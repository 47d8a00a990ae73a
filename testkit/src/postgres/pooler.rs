//! A PgBouncer between clients and whichever server is the primary.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::pair::Pair;
use super::server::free_port;
use crate::Error;
use crate::proxy::Proxy;

const LOOK: Duration = Duration::from_millis(100);
const MOST_LOOKS: u32 = 300;

/// How long a client keeps a connection to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// As long as it is connected.
    Session,
    /// For a transaction.
    Transaction,
}

impl Pooling {
    fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Transaction => "transaction",
        }
    }
}

/// A running PgBouncer. Dropping it ends it.
#[derive(Debug)]
pub struct Pooler {
    /// Leads it to the primary.
    front: Proxy,
    process: Child,
    port: u16,
}

impl Pooler {
    /// Starts one in `folder`, in front of the pair's primary. It asks again a second after it could not log in; Debian's 15 s would be an
    /// outage of their own after every restart of Postgres.
    ///
    /// # Errors
    /// No PgBouncer on this machine, or one that does not start.
    pub async fn start(pair: &Pair, pooling: Pooling, folder: &Path) -> Result<Self, Error> {
        let front = Proxy::start(Some(pair.primary())).await?;
        let (tools, port, log) = (pair.tools(), free_port()?, folder.join("pgbouncer.log"));
        let users = folder.join("pgbouncer.users");
        write(&users, &format!("\"realmctl\" \"{}\"\n", tools.password()))?;
        let settings = folder.join("pgbouncer.ini");
        let text = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = scram-sha-256\nauth_file = {}\npool_mode = {}\ndefault_pool_size = 80\nmax_client_conn = 1000\n\
             server_login_retry = 1\n",
            front.port(),
            users.display(),
            pooling.as_str()
        );
        write(&settings, &text)?;
        for file in [&users, &settings] {
            tools.give(file)?;
        }
        let out = std::fs::File::create(&log).map_err(Error::doing("create PgBouncer's log"))?;
        let mut command = Command::new("pgbouncer");
        command.arg(&settings).current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(out);
        if let Some((user, group)) = tools.user() {
            command.uid(user).gid(group);
        }
        let process = command
            .spawn()
            .map_err(Error::doing("start pgbouncer (if it is missing: `testkit/install-packages pgbouncer`)"))?;
        let mut pooler = Self { front, process, port };
        for _ in 0..MOST_LOOKS {
            if !matches!(pooler.process.try_wait(), Ok(None)) {
                break;
            }
            if tokio::net::TcpStream::connect(pooler.address()).await.is_ok() {
                return Ok(pooler);
            }
            tokio::time::sleep(LOOK).await;
        }
        Err(Error::plain(format!("PgBouncer does not run: see {}", log.display())))
    }

    /// Where clients connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Leads it to another primary, or to none; connections to the one before end.
    pub fn lead(&self, primary: Option<SocketAddr>) {
        self.front.set_target(primary);
        self.front.cut();
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn write(file: &Path, text: &str) -> Result<(), Error> {
    std::fs::write(file, text).map_err(Error::doing(format!("write {}", file.display())))
}
