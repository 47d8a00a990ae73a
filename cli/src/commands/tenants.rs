//! `realmctl tenants`: create, list and look at tenants.

use catalogue::tenant_id::{Host, TenantId};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use server::api::{Change, NewTenant, Page, TenantView};

use super::pauses::answer;
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::format;
use crate::globals::Globals;
use crate::listing::LimitArgs;
use crate::output::Terminal;
use crate::tables::{Column, facts, table};

/// Create, list, show and pause tenants
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  realmctl tenants create acme --host acme.example --realm us
  realmctl tenants list --realm us
  realmctl tenants show acme")]
pub(crate) enum TenantsCommand {
    Create(CreateArgs),
    List(ListArgs),
    Show(ShowArgs),
    Pause(PauseArgs),
    Resume(ResumeArgs),
}

/// Create a tenant in a realm; repeating it changes nothing
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  realmctl tenants create acme --host acme.example --realm us")]
pub(crate) struct CreateArgs {
    /// Its id: 1 to 63 of a-z, 0-9 and -; never reused
    id: TenantId,
    /// The host name its users type
    #[arg(long)]
    host: Host,
    /// The realm in which its data shall rest
    #[arg(long)]
    realm: String,
    /// Why; kept in the audit trail
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// List tenants
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  realmctl tenants list\n  realmctl tenants list --realm eu --output json")]
pub(crate) struct ListArgs {
    /// Only those of this realm
    #[arg(long)]
    realm: Option<String>,
    #[command(flatten)]
    limit: LimitArgs,
}

/// Show a tenant: where it is placed, and where its data may be
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  realmctl tenants show acme")]
pub(crate) struct ShowArgs {
    /// Its id
    id: TenantId,
}

/// Pause all work on a tenant: its moves and removals, and those started from now on
///
/// A move whose tenant is offline goes on until the tenant is online again.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  realmctl tenants pause acme --reason \"legal hold\"")]
pub(crate) struct PauseArgs {
    /// Its id
    id: TenantId,
    /// Why; shown wherever something waits for it, and kept in the audit trail
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Resume work on a paused tenant
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  realmctl tenants resume acme")]
pub(crate) struct ResumeArgs {
    /// Its id
    id: TenantId,
    /// Why; kept in the audit trail
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub(crate) async fn run(command: &TenantsCommand, globals: &Globals, terminal: &Terminal) -> Result<Exit, Failure> {
    let client = Client::of(globals)?;
    match command {
        TenantsCommand::Create(args) => create(args, &client, terminal).await?,
        TenantsCommand::List(args) => {
            let page = args.limit.fetch("tenants", terminal, async |cursor, limit| {
                let query = [("realm", args.realm.clone()), ("cursor", cursor), ("limit", Some(limit))];
                client.tenants(&query).await
            });
            terminal.data(&page.await?, list_table)?;
        }
        TenantsCommand::Pause(args) => {
            let change = Change { reason: args.reason.clone() };
            answer(&client.control_tenant(args.id.as_str(), "pause", &change).await?, &change, terminal)?;
        }
        TenantsCommand::Resume(args) => {
            let change = Change { reason: args.reason.clone() };
            answer(&client.control_tenant(args.id.as_str(), "resume", &change).await?, &change, terminal)?;
        }
        TenantsCommand::Show(args) => terminal.data(&client.tenant(args.id.as_str()).await?, show_table)?,
    }
    Ok(Exit::Done)
}

async fn create(args: &CreateArgs, client: &Client, terminal: &Terminal) -> Result<(), Failure> {
    let new = NewTenant {
        id: args.id.to_string(),
        host: args.host.to_string(),
        realm: args.realm.clone(),
        reason: args.reason.clone(),
    };
    let (tenant, created) = client.create_tenant(&new).await?;
    let existed = if created { "Created" } else { "Already exists; no changes:" };
    let ready = if tenant.status == "provisioning" { " It is online once its services are ready." } else { "" };
    terminal.say(&format!("{existed} tenant {} in realm {}.{ready}", tenant.id, tenant.realm));
    terminal.data(&tenant, show_table)
}

fn list_table(page: &Page<TenantView>) -> String {
    let now = Timestamp::now();
    let columns = [
        Column::whole("ID"),
        Column::new("HOST"),
        Column::whole("REALM"),
        Column::whole("STATUS"),
        Column::figure("AGE"),
    ];
    let rows = page.items.iter().map(|tenant| {
        let host = tenant.host.clone().unwrap_or_default();
        let age = format::age(&tenant.created_at, now);
        [tenant.id.clone(), host, tenant.realm.clone(), tenant.status.clone(), age]
    });
    table(&columns, rows)
}

fn show_table(tenant: &TenantView) -> String {
    let mut text = facts([
        ("Tenant", tenant.id.clone()),
        ("Host", tenant.host.clone().unwrap_or_default()),
        ("Realm", tenant.realm.clone()),
        ("Status", tenant.status.clone()),
        ("Epoch", tenant.epoch.to_string()),
        ("Active move", tenant.active_move.clone().unwrap_or_default()),
        ("Back online if no progress by", tenant.lease_until.as_deref().map(format::time).unwrap_or_default()),
        ("Created", format::time(&tenant.created_at)),
    ]);
    if let Some(placements) = tenant.placements.as_deref().filter(|placements| !placements.is_empty()) {
        let rows = placements.iter().map(|placed| [placed.service.clone(), placed.shard.clone()]);
        text.push_str("\n\n");
        text.push_str(&table(&[Column::whole("SERVICE"), Column::whole("SHARD")], rows));
    }
    if let Some(cells) = tenant.ledger.as_deref().filter(|cells| !cells.is_empty()) {
        let columns = [Column::whole("SERVICE"), Column::new("LOCATION"), Column::whole("DATA THERE (RECORDED)")];
        let rows = cells.iter().map(|cell| [cell.service.clone(), cell.location.clone(), cell.state.clone()]);
        text.push_str("\n\n");
        text.push_str(&table(&columns, rows));
    }
    text
}
