//! `realmctl upgrade-check`: whether this binary could go on with everything that a store holds.

use clap::Args;
use store::{Store, StoreError, StoreUrl};
use workers::{CredentialsFrom, Movers, Settings};
use workflows::Deployment;
use workflows::timing::Timing;
use workflows::upgrade_check::{SchemaCheck, UpgradeCheck, check_upgrade};

use crate::exit::{Exit, Failure, chain};
use crate::format;
use crate::output::Terminal;
use crate::tables::{Column, table};

/// Check that this version can continue all work in a store
///
/// Run it with the new binary before an upgrade. Reads every open move and removal, every failed removal and every task;
/// changes and migrates nothing, and needs no server. Exits with 1 when there is work that it can't continue.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  realmctl upgrade-check --store postgres://realmctl@db/realmctl
  realmctl upgrade-check --store sqlite:realmctl.db --output json")]
pub(crate) struct UpgradeCheckArgs {
    /// The catalogue's database: sqlite:PATH or postgres://USER@HOST/DATABASE
    #[arg(long, env = "REALMCTL_STORE", value_name = "URL", hide_env_values = true)]
    store: String,
}

pub(crate) async fn run(args: &UpgradeCheckArgs, terminal: &Terminal) -> Result<Exit, Failure> {
    let url: StoreUrl = args.store.parse().map_err(|error: StoreError| Failure::usage(format!("--store: {error}")))?;
    let store = Store::open_to_look(&url).await.map_err(|error| {
        Failure::failed(format!("can't open the store: check that it exists and can be read ({})", chain(&error)))
    })?;
    let movers = Movers::new(CredentialsFrom::Environment, Settings::default());
    let registry = workflows::registry(&Deployment::new(store.clone(), movers, Timing::default()));
    let check = check_upgrade(&store, &registry).await.map_err(|error| match &error {
        // It says itself what to do.
        StoreError::Unfit(why) => Failure::failed(format!("can't check the store: {why}")),
        _ => Failure::failed(format!("can't read the store: check that it is realmctl's own ({})", chain(&error))),
    })?;
    store.close().await;
    terminal.say(&schema_words(&check.schema));
    let read = (format::counted(check.workflows, "workflow"), format::counted(check.tasks, "task"));
    terminal.say(&format!("Read {} and {}.", read.0, read.1));
    terminal.data(&check, unreadable_table)?;
    if check.passes() {
        terminal.say("OK: safe to upgrade to this version.");
        return Ok(Exit::Done);
    }
    let message = if check.unreadable.is_empty() {
        "a newer version has brought this store's schema up to date: this one would refuse to start".to_owned()
    } else {
        let what = format::counted(check.unreadable.len() as u64, "row");
        format!(
            "not safe to upgrade: this version can't continue {what}; let the version that wrote them finish them first"
        )
    };
    Err(Failure::failed(message))
}

fn schema_words(schema: &SchemaCheck) -> String {
    let SchemaCheck { stored, known, would_apply, newer } = schema;
    if !newer.is_empty() {
        return format!("The schema is newer than this version: {stored}, and this version knows {known}.");
    }
    if would_apply.is_empty() {
        return format!("The schema is this version's: {known}.");
    }
    let count = format::counted(would_apply.len() as u64, "migration");
    format!("The schema is older: it would be migrated from {stored} to {known} ({count}). Nothing was changed.")
}

fn unreadable_table(check: &UpgradeCheck) -> String {
    if check.unreadable.is_empty() {
        return String::new();
    }
    let columns = [Column::id("ID"), Column::new("KIND"), Column::new("OF"), Column::new("STATE"), Column::new("WHY")];
    let rows = check
        .unreadable
        .iter()
        .map(|row| [row.id.clone(), row.kind.clone(), row.of.clone(), row.state.clone(), row.why.clone()]);
    table(&columns, rows)
}
