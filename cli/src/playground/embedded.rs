//! Starts two embedded regions, a store, the API and a runner in this process, and ends them.

use std::net::SocketAddr;

use server::ServerSettings;
use testkit::{Ports, Region, RequestAge, Storage};
use workflows::timing::Timing;

use crate::client::Client;
use crate::exit::Failure;
use crate::output::Terminal;
use crate::playground::{REGIONS, local_deployment};
use crate::process::{Running, listen, open_store};

/// Connections to a Postgres: one tenant's work at a time.
const CONNECTIONS: u32 = 8;

/// Where everything is kept and reached.
pub(crate) struct Places {
    /// Storage and ports of each region, in the order of [`REGIONS`].
    pub(crate) regions: [(Storage, Ports); 2],
    /// The URL of the store.
    pub(crate) store: String,
    /// Where the API listens.
    pub(crate) api: SocketAddr,
}

/// Everything at work. Dropping it stops it where it stands.
pub(crate) struct Embedded {
    // Before the regions, so that nothing still asks them when they go.
    running: Running,
    regions: [Region; 2],
    api: SocketAddr,
}

impl Embedded {
    /// Starts it all; the API answers when this returns.
    pub(crate) async fn start(places: Places, settings: ServerSettings) -> Result<Self, Failure> {
        let [(us, us_ports), (eu, eu_ports)] = places.regions;
        let timing = Timing::demo();
        let age = RequestAge { dynamodb: timing.signed_request_ttl_dynamodb, s3: timing.signed_request_ttl_s3 };
        let start = |name, storage, ports| {
            Region::start_accepting(name, storage, ports, age)
                .map_err(|error| Failure::failed(format!("the embedded region {name} can't start: {error}")))
        };
        let regions = [start(REGIONS[0], us, us_ports)?, start(REGIONS[1], eu, eu_ports)?];
        testkit::prepare(&[&regions[0], &regions[1]]).await?;
        let store = open_store(&places.store, CONNECTIONS).await?;
        let deployment = local_deployment(store, timing);
        let listener = listen(places.api).await?;
        let api = listener.local_addr().map_err(|error| Failure::failed(format!("no address: {error}")))?;
        let running = Running::start(&deployment, deployment.runner_settings(), Some((listener, settings)));
        Ok(Self { running, regions, api })
    }

    /// The API's address.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.api)
    }

    /// Both regions, in the order of [`REGIONS`].
    pub(crate) fn regions(&self) -> [&Region; 2] {
        self.regions.each_ref()
    }

    /// Puts testkit's topology over these regions in force, as a user would.
    pub(crate) async fn apply_topology(&self, client: &Client) -> Result<(), Failure> {
        client.apply_topology(testkit::topology(&self.regions()), false).await.map(drop)
    }

    /// Ends it all, cleanly.
    pub(crate) async fn stop(self) -> Result<(), Failure> {
        self.running.stop().await
    }

    /// Stays up until a signal, then ends cleanly. `kept`: whether there is anything that work could go on from later.
    pub(crate) async fn until_signal(self, terminal: &Terminal, kept: bool) -> Result<(), Failure> {
        if kept {
            self.running.until_signal(terminal).await
        } else {
            self.running.until_signal_for_good(terminal).await
        }
    }
}
