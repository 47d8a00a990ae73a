//! One embedded region: a DynamoDB and an S3 of its own, both over HTTP on loopback, each on its own thread.
//!
//! A front before the DynamoDB (`front.rs`) refuses requests that were signed too long ago, as AWS does and the emulator does not;
//! the S3 does so itself. It injects no faults and does not throttle: that is the business of fronts that tests place before it.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::Credentials;
use dynoxide::Database;

use crate::Error;
use crate::credentials::{ACCESS_KEY, SECRET_KEY};
use crate::fault_proxies::service::Service;
use crate::s3::{Embedded, Store};
use replicas::Replicas;

pub(crate) mod clock;
mod front;
mod gate;
mod replicas;
pub(crate) mod serving;
mod tuning;

pub(crate) use serving::{Reset, Server, front as serve_front};

pub use clock::ServerClock;
pub use gate::{Answer, Gate};

/// Where a region keeps its data.
#[derive(Debug, Clone)]
pub enum Storage {
    /// In memory: gone when the region is dropped.
    Memory,
    /// In this folder (made if missing), so that a region started there again finds everything.
    /// Writes survive the death of the process, not the loss of power.
    Disk(PathBuf),
}

/// The ports a region listens on, always on 127.0.0.1.
#[derive(Debug, Clone, Copy, Default)]
pub enum Ports {
    /// Whatever is free.
    #[default]
    Any,
    /// These, so that a region can come back where its clients look for it.
    Fixed {
        /// Port of the DynamoDB endpoint.
        dynamodb: u16,
        /// Port of the S3 endpoint.
        s3: u16,
    },
}

/// How long after it was signed a request is accepted, to either side of now. Kept in whole seconds by S3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestAge {
    /// By the DynamoDB.
    pub dynamodb: Duration,
    /// By the S3.
    pub s3: Duration,
}

impl RequestAge {
    /// What AWS accepts: about 5 minutes for DynamoDB ("Signature expired: … - 5 min."), 15 for S3 ("RequestTimeTooSkewed").
    pub const AWS: Self = Self { dynamodb: Duration::from_secs(5 * 60), s3: Duration::from_secs(15 * 60) };
    /// Any age: for tests whose clock is not the machine's.
    pub const ANY: Self = Self { dynamodb: Duration::MAX, s3: Duration::from_secs(u32::MAX as u64) };
}

/// A running region. Dropping it stops both servers and joins their threads.
#[derive(Debug)]
pub struct Region {
    name: String,
    front: Server,
    /// Behind the front, and so dropped after it.
    dynamodb: Server,
    replicas: Replicas,
    s3: Server,
    gate: Gate,
    clock: ServerClock,
    database: Handle,
}

/// The embedded DynamoDB itself, for seeding that would take too long over HTTP.
#[derive(Clone)]
struct Handle(Database);

impl std::fmt::Debug for Handle {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Database")
    }
}

/// Deletes the items of a region that have expired.
#[derive(Debug, Clone)]
pub struct Sweeper(Handle);

impl Sweeper {
    /// Deletes all of them, and tells how many there were. It blocks.
    ///
    /// # Errors
    /// The emulator's.
    pub fn delete_expired(&self) -> Result<usize, Error> {
        self.0.0.sweep_ttl().map_err(Error::doing("delete what has expired"))
    }
}

impl Region {
    /// Starts a region called `name` (such as `eu-west-1`) that accepts requests as old as AWS does. Both endpoints accept
    /// requests when this returns.
    ///
    /// # Errors
    /// A port that is taken, or a folder that can't be used.
    pub fn start(name: &str, storage: Storage, ports: Ports) -> Result<Self, Error> {
        Self::start_accepting(name, storage, ports, RequestAge::AWS)
    }

    /// The same, accepting requests of this age.
    ///
    /// # Errors
    /// A port that is taken, or a folder that can't be used.
    pub fn start_accepting(name: &str, storage: Storage, ports: Ports, age: RequestAge) -> Result<Self, Error> {
        let (dynamodb_port, s3_port) = match ports {
            Ports::Any => (0, 0),
            Ports::Fixed { dynamodb, s3 } => (dynamodb, s3),
        };
        let front_listener = listen(dynamodb_port)?;
        let dynamodb_listener = listen(0)?;
        let s3_listener = listen(s3_port)?;
        let (database, store) = open(storage)?;
        let dynamodb = serving::dynamodb(name, dynamodb_listener, database.clone())?;
        let (gate, replicas, clock) = (Gate::default(), Replicas::default(), ServerClock::of_age(age.dynamodb));
        let accepted = (age.dynamodb, clock.clone());
        let front = front::AgeFront::new(dynamodb.endpoint(), accepted, gate.clone(), replicas.clone())?;
        let front = serving::dated_front(&format!("{name}-front"), front_listener, Service(front), clock.clone())?;
        let s3 = serving::s3(name, s3_listener, Embedded::new(name, Arc::new(store)), (age.s3, clock.clone()))?;
        Ok(Self { name: name.to_owned(), front, dynamodb, replicas, s3, gate, clock, database: Handle(database) })
    }

    /// The region's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `http://127.0.0.1:PORT` of the DynamoDB.
    #[must_use]
    pub fn dynamodb_endpoint(&self) -> &str {
        self.front.endpoint()
    }

    /// Where requests to the DynamoDB can be held up.
    #[must_use]
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// The clock of both: their answers tell its time, and the DynamoDB judges the age of requests by it.
    #[must_use]
    pub fn clock(&self) -> &ServerClock {
        &self.clock
    }

    /// `http://127.0.0.1:PORT` of the S3.
    #[must_use]
    pub fn s3_endpoint(&self) -> &str {
        self.s3.endpoint()
    }

    /// What deletes, as DynamoDB does at any time, the items that have expired.
    #[must_use]
    pub fn sweeper(&self) -> Sweeper {
        Sweeper(self.database.clone())
    }

    /// From now on changes of `table` reach `to` after `delay`, and its description says so.
    pub(crate) fn replicate_table_to(&self, to: &Self, table: &str, delay: Duration) -> Result<(), Error> {
        self.replicas.link(table, to.name(), to.dynamodb.endpoint(), delay)
    }

    /// `table` replicates nowhere from here any more. What is on its way still arrives.
    pub fn stop_replicating_table(&self, table: &str) {
        self.replicas.unlink(table);
    }

    pub(crate) fn database(&self) -> Database {
        self.database.0.clone()
    }
}

/// The credentials every embedded region knows. S3 checks signatures made with them; DynamoDB only asks for their presence.
#[must_use]
pub fn credentials() -> Credentials {
    Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "testkit")
}

/// A plain AWS SDK client for the region's DynamoDB.
#[must_use]
pub fn dynamodb_client(region: &Region) -> aws_sdk_dynamodb::Client {
    dynamodb_client_at(region.name(), region.dynamodb_endpoint())
}

/// A plain AWS SDK client for a DynamoDB at `endpoint`, such as a front or another emulator.
#[must_use]
pub fn dynamodb_client_at(region_name: &str, endpoint: &str) -> aws_sdk_dynamodb::Client {
    dynamodb_client_as(credentials(), region_name, endpoint)
}

/// The same with credentials of another caller or account.
#[must_use]
pub fn dynamodb_client_as(who: Credentials, region_name: &str, endpoint: &str) -> aws_sdk_dynamodb::Client {
    use aws_sdk_dynamodb::config::{BehaviorVersion, Builder, Region};
    let config = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region_name.to_owned()))
        .endpoint_url(endpoint)
        .credentials_provider(who)
        .http_client(http_client());
    aws_sdk_dynamodb::Client::from_conf(config.build())
}

/// A plain AWS SDK client for the region's S3, path style.
#[must_use]
pub fn s3_client(region: &Region) -> aws_sdk_s3::Client {
    s3_client_at(region.name(), region.s3_endpoint())
}

/// A plain AWS SDK client for an S3 at `endpoint`, path style.
#[must_use]
pub fn s3_client_at(region_name: &str, endpoint: &str) -> aws_sdk_s3::Client {
    s3_client_as(credentials(), region_name, endpoint)
}

/// The same with credentials of another caller or account.
#[must_use]
pub fn s3_client_as(who: Credentials, region_name: &str, endpoint: &str) -> aws_sdk_s3::Client {
    use aws_sdk_s3::config::{BehaviorVersion, Builder, Region};
    let config = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region_name.to_owned()))
        .endpoint_url(endpoint)
        .force_path_style(true)
        .credentials_provider(who)
        .http_client(http_client());
    aws_sdk_s3::Client::from_conf(config.build())
}

fn http_client() -> aws_sdk_s3::config::SharedHttpClient {
    aws_smithy_http_client::Builder::new().build_http()
}

pub(crate) fn listen(port: u16) -> Result<TcpListener, Error> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(Error::doing(format!("listen on 127.0.0.1:{port}")))
}

fn open(storage: Storage) -> Result<(Database, Store), Error> {
    let failed = || Error::doing::<rusqlite::Error>("open the S3 store");
    match storage {
        Storage::Memory => Ok((tuning::memory()?, Store::memory().map_err(failed())?)),
        Storage::Disk(folder) => {
            std::fs::create_dir_all(&folder).map_err(Error::doing(format!("create {}", folder.display())))?;
            let database = tuning::file(&file(&folder, "dynamodb.sqlite")?)?;
            Ok((database, Store::file(&folder.join("s3.sqlite")).map_err(failed())?))
        }
    }
}

fn file(folder: &Path, name: &str) -> Result<String, Error> {
    let path = folder.join(name);
    let text = path.to_str().ok_or_else(|| Error::plain(format!("{} is not UTF-8", path.display())))?;
    Ok(text.to_owned())
}
