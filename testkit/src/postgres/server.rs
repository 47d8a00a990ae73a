//! One Postgres server of one's own: made, started, crashed, restarted, copied to a standby and promoted.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sqlx::{Connection, PgConnection, Row};

use crate::Error;

/// Said by every server, primary or standby. A standby looks for its primary again at once, so that commits that wait for it
/// do not wait long after a restart.
const OPTIONS: &str =
    "-c listen_addresses=127.0.0.1 -c max_connections=200 -c fsync=on -c wal_retrieve_retry_interval=200ms";

/// Debian keeps the server's programs out of PATH, one folder a version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// The server's programs, the user that they run as, and the superuser's password.
#[derive(Debug, Clone)]
pub(super) struct Tools {
    programs: PathBuf,
    /// Postgres refuses to run as root: then, `postgres` and its group.
    user: Option<(u32, u32)>,
    password: String,
}

impl Tools {
    pub(super) fn find(password: String) -> Result<Self, Error> {
        let missing =
            || Error::plain("no Postgres server found: run this under testkit/with-postgres, which installs it");
        let mut folders: Vec<PathBuf> = std::fs::read_dir(DEBIAN)
            .map(|entries| entries.flatten().map(|entry| entry.path().join("bin")).collect())
            .unwrap_or_default();
        folders.sort();
        folders.reverse();
        folders.extend(["/usr/local/bin", "/usr/bin"].map(PathBuf::from));
        let programs = folders.into_iter().find(|folder| folder.join("initdb").exists()).ok_or_else(missing)?;
        let user = if ask_id(&["-u"])? == 0 {
            Some((ask_id(&["-u", "postgres"])?, ask_id(&["-g", "postgres"])?))
        } else {
            None
        };
        Ok(Self { programs, user, password })
    }

    pub(super) fn password(&self) -> &str {
        &self.password
    }

    /// The user and group that servers run as, if not the caller's.
    pub(super) fn user(&self) -> Option<(u32, u32)> {
        self.user
    }

    /// Hands a folder over to the user that the server runs as.
    pub(super) fn give(&self, folder: &Path) -> Result<(), Error> {
        match self.user {
            Some((user, group)) => std::os::unix::fs::chown(folder, Some(user), Some(group))
                .map_err(Error::doing(format!("give {} to postgres", folder.display()))),
            None => Ok(()),
        }
    }

    /// Runs a program to its end; what it says goes to `log`.
    async fn run(&self, program: &str, arguments: &[&str], log: &Path) -> Result<(), Error> {
        let open = || std::fs::OpenOptions::new().create(true).append(true).open(log);
        let said = open().and_then(|out| open().map(|err| (out, err)));
        let (out, err) = said.map_err(Error::doing(format!("open {}", log.display())))?;
        let mut command = Command::new(self.programs.join(program));
        command.args(arguments).env("PGPASSWORD", &self.password).current_dir("/");
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        let ended = tokio::process::Command::from(command).status().await;
        let ended = ended.map_err(Error::doing(format!("run {program}")))?;
        if ended.success() {
            Ok(())
        } else {
            Err(Error::plain(format!("{program} ended with {ended}: see {} and its neighbours", log.display())))
        }
    }
}

fn ask_id(arguments: &[&str]) -> Result<u32, Error> {
    let said = Command::new("id").args(arguments).output().map_err(Error::doing("ask for a user's id"))?;
    String::from_utf8_lossy(&said.stdout)
        .trim()
        .parse()
        .map_err(Error::doing(format!("read the answer of id {arguments:?}")))
}

/// A server. Dropping it stops it at once; its folder is the caller's.
#[derive(Debug)]
pub(super) struct Server {
    tools: Tools,
    data: PathBuf,
    /// What its programs say. The server itself writes beside it, as its own user.
    log: PathBuf,
    port: u16,
}

impl Server {
    /// Makes an empty server in `folder` and starts it.
    pub(super) async fn create(tools: &Tools, folder: &Path, name: &str) -> Result<Self, Error> {
        let server = Self::at(tools, folder, name);
        let password = folder.join("password");
        std::fs::write(&password, &tools.password).map_err(Error::doing("write the password's file"))?;
        tools.give(&password)?;
        let (data, file) = (server.data.display().to_string(), format!("--pwfile={}", password.display()));
        let arguments = ["-D", &data, "-U", "realmctl", "--auth=scram-sha-256", &file, "--encoding=UTF8", "--locale=C"];
        let made = tools.run("initdb", &arguments, &server.log).await;
        std::fs::remove_file(&password).map_err(Error::doing("remove the password's file"))?;
        made?;
        server.start(folder).await
    }

    /// Copies a running server to a standby of it and starts that.
    pub(super) async fn copy_of(primary: &Self, folder: &Path, name: &str) -> Result<Self, Error> {
        let server = Self::at(&primary.tools, folder, name);
        let (data, port) = (server.data.display().to_string(), primary.port.to_string());
        let from = ["-h", "127.0.0.1", "-p", &port, "-U", "realmctl", "-D", &data];
        let how = ["--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast"];
        server.tools.run("pg_basebackup", &[&from[..], &how[..]].concat(), &server.log).await?;
        // Once promoted it has no standby yet, and must not wait for one.
        let settings = server.data.join("postgresql.auto.conf");
        let copied = std::fs::read_to_string(&settings).map_err(Error::doing("read the standby's settings"))?;
        std::fs::write(&settings, format!("{copied}\nsynchronous_standby_names = ''\n"))
            .map_err(Error::doing("write the standby's settings"))?;
        server.start(folder).await
    }

    fn at(tools: &Tools, folder: &Path, name: &str) -> Self {
        let log = folder.join(format!("{name}.log"));
        Self { tools: tools.clone(), data: folder.join(name), log, port: 0 }
    }

    /// On a free port: a few tries, since the server is the first to know that one is taken.
    async fn start(mut self, sockets: &Path) -> Result<Self, Error> {
        let mut last = Ok(());
        for _ in 0..8 {
            self.port = free_port()?;
            let options = format!("{OPTIONS} -c port={} -c unix_socket_directories={}", self.port, sockets.display());
            last = self.control(&["-w", "-t", "60", "-o", &options, "start"]).await;
            if last.is_ok() {
                return Ok(self);
            }
        }
        last.map(|()| self)
    }

    async fn control(&self, arguments: &[&str]) -> Result<(), Error> {
        let (data, log) =
            (self.data.display().to_string(), self.data.with_extension("server.log").display().to_string());
        self.tools.run("pg_ctl", &[&["-D", &data, "-l", &log], arguments].concat(), &self.log).await
    }

    pub(super) fn tools(&self) -> &Tools {
        &self.tools
    }

    pub(super) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// As after a power cut: nothing is finished, and recovery reads the log.
    pub(super) async fn restart_immediately(&self) -> Result<(), Error> {
        self.control(&["-w", "-t", "60", "-m", "immediate", "restart"]).await
    }

    /// `kill -9` of the postmaster. It does not come back.
    pub(super) fn kill(&self) -> Result<(), Error> {
        let file =
            std::fs::read_to_string(self.data.join("postmaster.pid")).map_err(Error::doing("read postmaster.pid"))?;
        let pid = file.lines().next().unwrap_or_default();
        let killed = Command::new("kill").args(["-9", pid]).status().map_err(Error::doing("run kill"))?;
        if killed.success() { Ok(()) } else { Err(Error::plain(format!("kill -9 {pid} ended with {killed}"))) }
    }

    pub(super) async fn promote(&self) -> Result<(), Error> {
        self.control(&["-w", "-t", "60", "promote"]).await
    }

    /// From now on a commit is done when the standby has it too.
    pub(super) async fn wait_for_standby_at_commit(&self) -> Result<(), Error> {
        let mut connection = self.connect().await?;
        for statement in ["ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"] {
            sqlx::raw_sql(statement).execute(&mut connection).await.map_err(Error::doing(statement))?;
        }
        connection.close().await.map_err(Error::doing("close the connection"))
    }

    /// Whether a standby has caught up since it last connected; with `at_commit`, also whether commits wait for it.
    pub(super) async fn has_standby(&self, at_commit: bool) -> Result<bool, Error> {
        let mut connection = self.connect().await?;
        let row = sqlx::query(
            "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND (sync_state = 'sync' OR NOT $1)",
        )
        .bind(at_commit)
        .fetch_one(&mut connection)
        .await
        .map_err(Error::doing("ask for standbys"))?;
        connection.close().await.map_err(Error::doing("close the connection"))?;
        Ok(row.get::<i64, _>(0) > 0)
    }

    async fn connect(&self) -> Result<PgConnection, Error> {
        let url = format!("postgres://realmctl:{}@127.0.0.1:{}/postgres", self.tools.password, self.port);
        PgConnection::connect(&url).await.map_err(Error::doing("connect to Postgres"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let mut command = Command::new(self.tools.programs.join("pg_ctl"));
        command.arg("-D").arg(&self.data).args(["-m", "immediate", "-w", "-t", "30", "stop"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).current_dir("/");
        if let Some((user, group)) = self.tools.user {
            command.uid(user).gid(group);
        }
        // It may have been killed already.
        drop(command.status());
    }
}

pub(super) fn free_port() -> Result<u16, Error> {
    let listener =
        std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Error::doing("look for a free port"))?;
    Ok(listener.local_addr().map_err(Error::doing("look for a free port"))?.port())
}
