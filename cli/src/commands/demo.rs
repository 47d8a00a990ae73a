//! `realmctl demo`: a whole move on this machine, watched and then checked without realmctl's own readers.

mod report;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use clap::Args;
use server::ServerSettings;
use server::api::{MoveView, NewMove, NewTenant, TenantView};
use tempfile::TempDir;
use testkit::{Ports, Storage};
use tokio::time::Instant;

use self::report::Report;
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::follow::is_final;
use crate::format;
use crate::number::number;
use crate::output::Terminal;
use crate::playground::{Embedded, Observed, Places, REGIONS, seed, sqlite_in};
use crate::process;
use crate::watch::{self, exit_of};

/// The tenant that moves.
const TENANT: &str = "acme";
/// One that stays, in the same tables and buckets: its id begins with the other's, as a careless prefix would confuse.
const NEIGHBOUR: &str = "acme-eu";
const NEIGHBOUR_ITEMS: usize = 150;
const NEIGHBOUR_OBJECTS: usize = 15;
/// The realms of the two regions.
const REALMS: [&str; 2] = ["us", "eu"];
/// How long the removals may take once the move is complete.
const REMOVALS_WITHIN: Duration = Duration::from_secs(600);
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Move a tenant between two regions on this machine and check the result
///
/// Starts two regions (DynamoDB and S3 over HTTP on loopback), a catalogue and realmctl in a temporary folder, fills a
/// tenant with data, moves it from us to eu, waits for the removals, and compares what the stores hold before and after
/// with a plain AWS client. Nothing leaves this machine and, without --store, nothing is left behind. Exits with 0 only if all
/// of it held.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  realmctl demo
  realmctl demo --items 2000 --objects 200
  realmctl demo --store postgres://realmctl@db/scratch
  realmctl demo --output json")]
pub(crate) struct DemoArgs {
    /// How many DynamoDB items the tenant has: issues and activity together
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = number::<u32>(1..=500_000))]
    items: u32,
    /// How many S3 objects the tenant has
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = number::<u32>(1..=100_000))]
    objects: u32,
    /// Keep the catalogue in this database, which has to be empty, and leave it there
    #[arg(long, value_name = "URL")]
    store: Option<String>,
}

pub(crate) async fn run(args: &DemoArgs, terminal: &Terminal) -> Result<Exit, Failure> {
    let folder = TempDir::with_prefix("realmctl-demo-").map_err(|error| {
        Failure::failed(format!("no temporary folder: set TMPDIR to one that can be written ({error})"))
    })?;
    // Both futures end before the folder is removed.
    tokio::select! {
        exit = Box::pin(play(args, folder.path(), terminal)) => exit,
        interrupted = process::interrupted() => {
            interrupted?;
            Err(Failure::interrupted(match &args.store {
                None => "Interrupted; nothing is left behind.",
                Some(_) => "Interrupted; what the demo had written to the database of --store is still there.",
            }))
        }
    }
}

async fn play(args: &DemoArgs, folder: &Path, terminal: &Terminal) -> Result<Exit, Failure> {
    terminal.say("Starting two regions, a catalogue and realmctl on this machine.");
    let any = || (Storage::Memory, Ports::Any);
    let places = Places {
        regions: [any(), any()],
        store: args.store.clone().unwrap_or_else(|| sqlite_in(folder)),
        api: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
    };
    let embedded = Embedded::start(places, ServerSettings::default()).await?;
    let client = Client::new(&embedded.url(), None)?;
    if !client.tenants(&[]).await?.items.is_empty() {
        return Err(Failure::refused("the database of --store has tenants: name an empty one, or leave --store out"));
    }
    embedded.apply_topology(&client).await?;
    fill(args, &embedded, &client, terminal).await?;
    let before = observe(&embedded, terminal).await?;

    let request = NewMove { to: REALMS[1].to_owned(), reason: Some("demo".to_owned()), ..NewMove::default() };
    let (started, _) = client.start_move(TENANT, &request).await?;
    let ended = watch::watch(&client, &started, terminal).await?;
    let view = until_removed(&client, ended, terminal).await?;

    let after = observe(&embedded, terminal).await?;
    let tenant = client.tenant(TENANT).await?;
    embedded.stop().await?;
    conclude(&view, &tenant, &before, &after, terminal)
}

/// Creates and fills both tenants.
async fn fill(args: &DemoArgs, embedded: &Embedded, client: &Client, terminal: &Terminal) -> Result<(), Failure> {
    let (items, objects) = (args.items as usize, args.objects as usize);
    let amount = format::counted(items as u64, "item") + " and " + &format::counted(objects as u64, "object");
    terminal.say(&format!("Filling tenant {TENANT} with {amount}, and {NEIGHBOUR} with a few."));
    let wanted = [(TENANT, items, objects), (NEIGHBOUR, NEIGHBOUR_ITEMS, NEIGHBOUR_OBJECTS)];
    for (id, items, objects) in wanted {
        let new = NewTenant {
            id: id.to_owned(),
            host: format!("{id}.example"),
            realm: REALMS[0].to_owned(),
            reason: Some("demo".to_owned()),
        };
        client.create_tenant(&new).await?;
        seed(embedded.regions()[0], id, items, objects).await?;
    }
    Ok(())
}

async fn observe(embedded: &Embedded, terminal: &Terminal) -> Result<Observed, Failure> {
    terminal.say("Reading what the stores hold, with a plain AWS client.");
    Ok(Observed::read(&embedded.regions(), &[TENANT, NEIGHBOUR]).await?)
}

/// Waits until every removal of the move has ended.
async fn until_removed(client: &Client, mut view: MoveView, terminal: &Terminal) -> Result<MoveView, Failure> {
    debug_assert!(is_final(&view.state));
    let ended =
        |view: &MoveView| view.removals.iter().all(|removal| matches!(removal.state.as_str(), "done" | "failed"));
    if !view.removals.is_empty() {
        terminal.say(&format!("Waiting for {}.", format::counted(view.removals.len() as u64, "removal")));
    }
    let deadline = Instant::now() + REMOVALS_WITHIN;
    while !ended(&view) {
        if Instant::now() >= deadline {
            return Err(Failure::failed(format!("the removals did not end within {REMOVALS_WITHIN:?}")));
        }
        tokio::time::sleep(LOOK_AGAIN).await;
        view = client.realm_move(&view.id).await?;
    }
    Ok(view)
}

/// Prints the report (JSON: the move) and decides how the demo ended.
fn conclude(
    view: &MoveView,
    tenant: &TenantView,
    before: &Observed,
    after: &Observed,
    terminal: &Terminal,
) -> Result<Exit, Failure> {
    let report = Report { view, tenant, before, after };
    terminal.data(view, |_| report.text())?;
    let broken: Vec<String> =
        report.checks().into_iter().filter(|check| !check.holds).map(|check| check.what).collect();
    if broken.is_empty() {
        terminal.say("All of it held.");
        return Ok(Exit::Done);
    }
    let exit = match exit_of(view) {
        Exit::Done => Exit::Failed,
        other => other,
    };
    let error = view.error.as_ref().map(|error| format!(" ({}: {})", error.code, error.message));
    let message = format!("the demo did not hold: {}{}", broken.join("; "), error.unwrap_or_default());
    Err(Failure::new(exit, "did_not_hold", message))
}

/// The region the tenant leaves.
fn source() -> &'static str {
    REGIONS[0]
}

/// The region the tenant goes to.
fn target() -> &'static str {
    REGIONS[1]
}
