//! `realmctl dev`: a playground that stays up: two regions, a catalogue, the API and a runner on this machine.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::{Deserialize, Serialize};
use server::api::NewTenant;
use tempfile::TempDir;
use testkit::{Ports, Storage};

use crate::client::Client;
use crate::commands::serve::settings;
use crate::exit::{Exit, Failure};
use crate::globals::{DEFAULT_SERVER, Globals};
use crate::output::Terminal;
use crate::playground::{Embedded, Places, REGIONS, seed, sqlite_in};
use crate::tables::{Column, facts, table};

const API_PORT: u16 = 8642;
/// DynamoDB's and S3's ports of each region.
const REGION_PORTS: [RegionPorts; 2] =
    [RegionPorts { dynamodb: 8001, s3: 9001 }, RegionPorts { dynamodb: 8002, s3: 9002 }];
const TENANT: &str = "acme";
const ITEMS: usize = 500;
const OBJECTS: usize = 40;
/// In the folder: the regions' ports, because the topology in the catalogue names them, and the API's, because people's shells
/// and scripts do.
const PORTS_FILE: &str = "ports.json";

/// Start a playground that stays up: regions, catalogue, API and runner
///
/// Two regions us-east-1 and eu-west-1 (DynamoDB and S3 over HTTP on loopback), a topology over them, and a tenant acme
/// with a little data in realm us. Ends with Ctrl-C. With --dir everything is kept and found again the next time.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  realmctl dev
  realmctl dev --dir playground
  realmctl dev --listen 127.0.0.1:9000")]
pub(crate) struct DevArgs {
    /// Keep everything in this folder; without it, in memory
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Where the API listens [default: 127.0.0.1:8642, or any port if that one is taken; with --dir the same one every time]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct RegionPorts {
    dynamodb: u16,
    s3: u16,
}

/// What the file in the folder holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct KeptPorts {
    regions: [RegionPorts; 2],
    api: u16,
}

/// The file as it is, or as it was before it held the API's port.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum PortsFile {
    Both(KeptPorts),
    Regions([RegionPorts; 2]),
}

/// What is said once it is up.
#[derive(Debug, Serialize)]
struct Addresses {
    server: String,
    regions: Vec<RegionAddress>,
    /// What the regions' S3 asks for; DynamoDB takes any.
    credentials: DevCredentials,
    tenant: &'static str,
}

/// Of the embedded regions alone, in every playground the same.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DevCredentials {
    access_key_id: String,
    secret_access_key: String,
}

#[derive(Debug, Serialize)]
struct RegionAddress {
    name: String,
    dynamodb: String,
    s3: String,
}

pub(crate) async fn run(args: &DevArgs, globals: &Globals, terminal: &Terminal) -> Result<Exit, Failure> {
    let settings = settings(globals)?;
    if let Some(listen) = &args.listen {
        server::Server::check_exposure(listen, &settings).map_err(|error| Failure::usage(error.to_string()))?;
    }
    let temporary = TempDir::with_prefix("realmctl-dev-").map_err(|error| {
        Failure::failed(format!("no temporary folder: set TMPDIR to one that can be written ({error})"))
    })?;
    let places = match &args.dir {
        Some(dir) => kept_in(dir, args.listen)?,
        None => in_memory(temporary.path(), args.listen),
    };
    let embedded = Embedded::start(places, settings).await?;
    let client = Client::new(&embedded.url(), globals.token())?;
    embedded.apply_topology(&client).await?;
    fill(&embedded, &client).await?;
    let addresses = addresses(&embedded);
    terminal.data(&addresses, |addresses| welcome(addresses, args.dir.as_deref()))?;
    embedded.until_signal(terminal, args.dir.is_some()).await?;
    terminal.say(if args.dir.is_some() {
        "Ended; everything is kept in the folder."
    } else {
        "Ended; nothing is left behind."
    });
    Ok(Exit::Done)
}

fn in_memory(temporary: &Path, listen: Option<SocketAddr>) -> Places {
    let api = listen.unwrap_or_else(|| loopback(if is_free(API_PORT) { API_PORT } else { 0 }));
    let region = |ports: RegionPorts| {
        let free = is_free(ports.dynamodb) && is_free(ports.s3);
        (Storage::Memory, if free { fixed(ports) } else { Ports::Any })
    };
    Places { regions: REGION_PORTS.map(region), store: sqlite_in(temporary), api }
}

/// The places of a folder: the ports it was first started with, because placed tenants' locations name them.
fn kept_in(dir: &Path, listen: Option<SocketAddr>) -> Result<Places, Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::failed(format!("{} can't be used: choose another --dir ({error})", dir.display()))
    };
    std::fs::create_dir_all(dir).map_err(|error| failed(&error))?;
    let file = dir.join(PORTS_FILE);
    let ports = kept_ports(&file).map_err(|error| failed(&error))?;
    // The one that is asked for is the one that is kept.
    let api = listen.map_or(ports.api, |listen| listen.port());
    if api != ports.api && api != 0 {
        write_ports(&file, KeptPorts { api, ..ports }).map_err(|error| failed(&error))?;
    }
    let [us, eu] = ports.regions;
    let api = if listen.is_none() { vec![ports.api] } else { Vec::new() };
    let taken = [us.dynamodb, us.s3, eu.dynamodb, eu.s3].into_iter().chain(api).find(|port| !is_free(*port));
    if let Some(port) = taken {
        return Err(Failure::failed(format!(
            "port {port} is taken, and the data in {} is bound to it: is another `realmctl dev` running there? \
             (If it is only the API's port: --listen takes another one.)",
            dir.display()
        )));
    }
    let regions = [(Storage::Disk(dir.join(REGIONS[0])), fixed(us)), (Storage::Disk(dir.join(REGIONS[1])), fixed(eu))];
    Ok(Places { regions, store: sqlite_in(dir), api: listen.unwrap_or_else(|| loopback(ports.api)) })
}

/// The ports in the file; chosen and kept there the first time.
fn kept_ports(file: &Path) -> std::io::Result<KeptPorts> {
    let found: Option<PortsFile> =
        if file.exists() { Some(serde_json::from_str(&std::fs::read_to_string(file)?)?) } else { None };
    let ports = match found {
        Some(PortsFile::Both(ports)) => return Ok(ports),
        Some(PortsFile::Regions(regions)) => KeptPorts { regions, api: free_port(API_PORT) },
        None => {
            let region =
                |wanted: RegionPorts| RegionPorts { dynamodb: free_port(wanted.dynamodb), s3: free_port(wanted.s3) };
            KeptPorts { regions: REGION_PORTS.map(region), api: free_port(API_PORT) }
        }
    };
    write_ports(file, ports)?;
    Ok(ports)
}

fn write_ports(file: &Path, ports: KeptPorts) -> std::io::Result<()> {
    std::fs::write(file, serde_json::to_string(&ports)?)
}

/// Creates and fills the tenant, unless it is there from an earlier time.
async fn fill(embedded: &Embedded, client: &Client) -> Result<(), Failure> {
    match client.tenant(TENANT).await {
        Err(failure) if failure.exit == Exit::Refused => {}
        other => return other.map(drop),
    }
    seed(embedded.regions()[0], TENANT, ITEMS, OBJECTS).await?;
    let new = NewTenant {
        id: TENANT.to_owned(),
        host: format!("{TENANT}.example"),
        realm: "us".to_owned(),
        reason: Some("dev".to_owned()),
    };
    client.create_tenant(&new).await.map(drop)
}

fn addresses(embedded: &Embedded) -> Addresses {
    let region = |region: &testkit::Region| RegionAddress {
        name: region.name().to_owned(),
        dynamodb: region.dynamodb_endpoint().to_owned(),
        s3: region.s3_endpoint().to_owned(),
    };
    let known = testkit::region::credentials();
    let credentials = DevCredentials {
        access_key_id: known.access_key_id().to_owned(),
        secret_access_key: known.secret_access_key().to_owned(),
    };
    Addresses { server: embedded.url(), regions: embedded.regions().map(region).into(), credentials, tenant: TENANT }
}

fn welcome(addresses: &Addresses, dir: Option<&Path>) -> String {
    let kept = dir.map_or_else(|| "in memory, gone at the end".to_owned(), |dir| format!("in {}", dir.display()));
    let mut told = vec![("API", addresses.server.clone())];
    let DevCredentials { access_key_id, secret_access_key } = &addresses.credentials;
    told.push(("Credentials", format!("AWS_ACCESS_KEY_ID={access_key_id}\nAWS_SECRET_ACCESS_KEY={secret_access_key}")));
    told.push(("Realms", "us, eu, global".to_owned()));
    told.push(("Tenant", format!("{}, first in realm us", addresses.tenant)));
    told.push(("Data", kept));
    let mut text = facts(told);
    let regions = addresses.regions.iter();
    let rows = regions.map(|region| [region.name.clone(), region.dynamodb.clone(), region.s3.clone()]);
    text.push_str("\n\n");
    text.push_str(&table(&[Column::whole("REGION"), Column::whole("DYNAMODB"), Column::whole("S3")], rows));
    text.push_str("\n\nNext steps, in another terminal:\n");
    if addresses.server != DEFAULT_SERVER {
        text.push_str(&format!("  export REALMCTL_SERVER={}\n", addresses.server));
    }
    text.push_str(
        "  realmctl tenants show acme\n  realmctl move acme --to eu --dry-run\n  realmctl move acme --to eu --wait\n  \
         realmctl removals list\n\nCtrl-C ends it.",
    );
    text
}

fn fixed(ports: RegionPorts) -> Ports {
    Ports::Fixed { dynamodb: ports.dynamodb, s3: ports.s3 }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(loopback(port)).is_ok()
}

/// The port if it is free, else one that is.
fn free_port(wanted: u16) -> u16 {
    let any = || TcpListener::bind(loopback(0)).and_then(|listener| listener.local_addr()).map(|at| at.port());
    if is_free(wanted) { wanted } else { any().unwrap_or(wanted) }
}
