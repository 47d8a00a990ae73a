//! `realmctl topology`: check, apply, change and show the topology. Checking needs no server.

use std::io::Read;
use std::path::{Path, PathBuf};

use catalogue::topology::{EndpointKind, Problem, Topology};
use clap::{Args, Subcommand};
use serde_json::json;
use server::api::{RenameEndpoint, TopologyApplied, TopologyView};

use crate::client::{Client, mistake};
use crate::exit::{Exit, Failure};
use crate::files::{read_text, without_mark};
use crate::format;
use crate::globals::Globals;
use crate::output::Terminal;
use crate::tables::{Column, facts, table};

/// Check, apply and show the topology: regions, realms, services and shards
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  realmctl topology check topology.yaml
  realmctl topology apply topology.yaml
  realmctl topology rename-endpoint us-east-1 dynamodb https://tables.example:8000
  realmctl topology show")]
pub(crate) enum TopologyCommand {
    Check(CheckArgs),
    Apply(ApplyArgs),
    RenameEndpoint(RenameEndpointArgs),
    Show(ShowArgs),
}

/// List every mistake in a topology file
///
/// Works without a server. With --server or --profile, or their variables, it also asks that server whether the change would strand
/// a tenant, and what else it would do to tenants and moves. Nothing is changed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  realmctl topology check topology.yaml
  realmctl topology check - < topology.yaml
  realmctl topology check topology.yaml --server http://127.0.0.1:8642")]
pub(crate) struct CheckArgs {
    /// The file; - reads stdin
    file: PathBuf,
}

/// Put a topology file in force
///
/// Refused where it would strand a tenant's data. Where it does something else to tenants or moves, such as a new
/// service in which existing tenants are not placed, it says so with numbers and is refused without --accept.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  realmctl topology apply topology.yaml
  realmctl topology apply topology.yaml --accept")]
pub(crate) struct ApplyArgs {
    /// The file; - reads stdin
    file: PathBuf,
    /// Accept what else it does to tenants and moves
    #[arg(long)]
    accept: bool,
}

/// Reach a region's store at another address
///
/// For a store that gets another name: a new domain, a proxy, a VPC endpoint. Both names must answer, and every table or bucket that
/// shards use there must be the same under both; otherwise nothing is changed. Tenants stay online, and running work continues. Data is
/// not moved.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  realmctl topology rename-endpoint us-east-1 dynamodb https://tables.example:8000
  realmctl topology rename-endpoint eu-west-1 s3 https://bucket.vpce-1a2b3c4d.s3.eu-west-1.vpce.amazonaws.com")]
pub(crate) struct RenameEndpointArgs {
    /// The region
    region: String,
    /// Which of its stores
    #[arg(value_parser = ["dynamodb", "s3"])]
    kind: String,
    /// Where it is reached from now on: an http or https URL
    address: String,
    /// Why; kept in the audit trail
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Show the topology in force
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  realmctl topology show\n  realmctl topology show --output json")]
pub(crate) struct ShowArgs {}

pub(crate) async fn run(command: &TopologyCommand, globals: &Globals, terminal: &Terminal) -> Result<Exit, Failure> {
    match command {
        TopologyCommand::Check(args) => check(args, globals, terminal).await,
        TopologyCommand::Apply(args) => apply(args, globals, terminal).await,
        TopologyCommand::RenameEndpoint(args) => rename_endpoint(args, globals, terminal).await,
        TopologyCommand::Show(_) => {
            terminal.data(&Client::of(globals)?.topology().await?, show_table)?;
            Ok(Exit::Done)
        }
    }
}

async fn check(args: &CheckArgs, globals: &Globals, terminal: &Terminal) -> Result<Exit, Failure> {
    let yaml = read(&args.file)?;
    let topology = match Topology::parse(&yaml) {
        Ok(topology) => topology,
        Err(problems) => return refuse(&problems, args, terminal),
    };
    let hash = topology.version_hash();
    let (mut against, mut consequences) = (None, Vec::new());
    if globals.names_a_server() {
        let client = Client::of(globals)?;
        consequences = client.check_topology(yaml).await?.consequences;
        against = Some(client.address());
    }
    let file = args.file.display();
    match &against {
        Some(server) if consequences.is_empty() => {
            terminal.say(&format!("{file}: no problems, and {server} would accept it."));
        }
        Some(server) => {
            terminal.say(&format!("{file}: no problems, but {server} would apply it with --accept only:"));
            consequences.iter().for_each(|found| terminal.say(&format!("  {}.", found.message)));
        }
        None => terminal.say(&format!(
            "{file}: no problems. (Not compared with what is in force, nor with tenants and moves: --server does that.)"
        )),
    }
    let answer = json!({ "hash": hash, "problems": [], "server": against, "consequences": consequences });
    terminal.data(&answer, |_| facts([("Hash", hash.clone()), ("Has", sizes(&topology))]))?;
    Ok(Exit::Done)
}

fn refuse(problems: &[Problem], args: &CheckArgs, terminal: &Terminal) -> Result<Exit, Failure> {
    let answer = json!({ "hash": null, "problems": problems, "server": null });
    terminal.data(&answer, |_| {
        let lines = problems.iter().map(|problem| mistake(problem.line, &problem.path, &problem.reason));
        lines.collect::<Vec<_>>().join("\n")
    })?;
    let count = format::counted(problems.len() as u64, "problem");
    Err(Failure::refused(format!("{}: {count}", args.file.display())))
}

async fn apply(args: &ApplyArgs, globals: &Globals, terminal: &Terminal) -> Result<Exit, Failure> {
    let client = Client::of(globals)?;
    let applied = client.apply_topology(read(&args.file)?, args.accept).await?;
    let told = if applied.changed { "In force now." } else { "Already in force; no changes." };
    terminal.say(told);
    applied.consequences.iter().for_each(|found| terminal.say(&format!("  {}.", found.message)));
    terminal.data(&applied, described)?;
    Ok(Exit::Done)
}

fn described(applied: &TopologyApplied) -> String {
    let version = applied.version.map(|version| version.to_string()).unwrap_or_default();
    facts([("Version", version), ("Hash", applied.hash.clone()), ("Has", sizes(&applied.topology))])
}

async fn rename_endpoint(args: &RenameEndpointArgs, globals: &Globals, terminal: &Terminal) -> Result<Exit, Failure> {
    let kind = EndpointKind::ALL.into_iter().find(|kind| kind.as_str() == args.kind);
    let kind = kind.expect("clap lets nothing else through");
    let (region, address, reason) = (args.region.clone(), args.address.clone(), args.reason.clone());
    let applied = Client::of(globals)?.rename_endpoint(&RenameEndpoint { region, kind, address, reason }).await?;
    if applied.changed {
        let file = in_file(&applied.topology, kind, &args.region);
        terminal.say(&format!(
            "In force now; it is the same store by both names. Write this in your topology file too, or it can't be applied again:\n{file}\n"
        ));
    } else {
        terminal.say("Already reached at this address; no changes.");
    }
    terminal.data(&applied, described)?;
    Ok(Exit::Done)
}

/// What a topology file has to say of all regions that share the store.
fn in_file(topology: &Topology, kind: EndpointKind, region: &str) -> String {
    let endpoint = |name: &str| topology.regions.get(name).and_then(|region| kind.of(region));
    let named = endpoint(region).map(|at| kind.store(region, Some(&at.endpoint)));
    let lines = topology.regions.keys().filter_map(|name| {
        let at = endpoint(name).filter(|at| Some(kind.store(name, Some(&at.endpoint))) == named)?;
        let address = at.address.as_ref().map(|address| format!(", address: \"{address}\"")).unwrap_or_default();
        Some(format!("  {name}: {{ {}: {{ endpoint: \"{}\"{address} }} }}", kind.as_str(), at.endpoint))
    });
    std::iter::once("regions:".to_owned()).chain(lines).collect::<Vec<_>>().join("\n")
}

fn read(file: &Path) -> Result<String, Failure> {
    let text = if file.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| without_mark(text))
    } else {
        read_text(file)
    };
    text.map_err(|error| Failure::failed(format!("can't read {}: {error}", file.display())))
}

fn sizes(topology: &Topology) -> String {
    let counted = |number: usize, noun| format::counted(number as u64, noun);
    let shards = topology.services.values().map(|service| service.shards.len()).sum();
    [
        counted(topology.regions.len(), "region"),
        counted(topology.realms.len(), "realm"),
        counted(topology.services.len(), "service"),
        counted(shards, "shard"),
    ]
    .join(", ")
}

fn show_table(view: &TopologyView) -> String {
    let head = facts([
        ("Version", view.version.to_string()),
        ("Hash", view.hash.clone()),
        ("Applied", format!("{} by {}", format::time(&view.applied_at), view.applied_by)),
    ]);
    [head, regions(&view.topology), realms(&view.topology), shards(&view.topology)].join("\n\n")
}

fn regions(topology: &Topology) -> String {
    let at = |endpoint: Option<&catalogue::topology::Endpoint>| {
        endpoint.map_or_else(|| "AWS".to_owned(), |endpoint| endpoint.reached_at().to_owned())
    };
    let rows = topology
        .regions
        .iter()
        .map(|(name, region)| [name.clone(), at(region.dynamodb.as_ref()), at(region.s3.as_ref())]);
    table(&[Column::whole("REGION"), Column::new("DYNAMODB"), Column::new("S3")], rows)
}

fn realms(topology: &Topology) -> String {
    let rows = topology.realms.iter().map(|(name, realm)| {
        [name.clone(), realm.data_regions.join(", "), realm.countries.join(", "), realm.timezones.join(", ")]
    });
    let columns =
        [Column::whole("REALM"), Column::new("DATA REGIONS"), Column::new("COUNTRIES"), Column::new("TIME ZONES")];
    table(&columns, rows)
}

fn shards(topology: &Topology) -> String {
    let rows = topology.services.iter().flat_map(|(name, service)| {
        service.shards.iter().map(|shard| {
            let kind = shard.store_of(service).kind().to_owned();
            [name.clone(), shard.shard.clone(), kind, shard.data_regions.join(", ")]
        })
    });
    let columns = [Column::whole("SERVICE"), Column::new("SHARD"), Column::whole("STORE"), Column::new("DATA REGIONS")];
    table(&columns, rows)
}
