//! `realmctl campaigns create`: shows what a campaign would do, or creates it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use catalogue::tenant_id::TenantId;
use clap::{ArgGroup, Args};
use server::api::{Budget, MaxFailures, NewCampaign};
use workflows::campaign::{Allowance, DailyWindow};

use super::{view, watch};
use crate::client::Client;
use crate::commands::moves::{PRIORITIES, parse_budget, priority};
use crate::exit::{Exit, Failure};
use crate::files::read_text;
use crate::format::parse_duration;
use crate::number::number;
use crate::output::Terminal;

/// Create a campaign: move many tenants to a realm, in waves
///
/// The list of tenants is fixed now; tenants that can't be moved when their turn comes (gone, already being moved) are skipped with the
/// reason. The campaign halts once too many moves have rolled back or failed: running moves finish, no new moves start, until somebody
/// resumes or cancels it. A tenant whose move rolled back is not tried again by the same campaign.
#[derive(Debug, Args)]
#[command(override_usage = "realmctl campaigns create [OPTIONS] --to <REALM> --tenants <IDS>
       realmctl campaigns create [OPTIONS] --to <REALM> --tenants-file <FILE>
       realmctl campaigns create [OPTIONS] --to <REALM> --from-realm <REALM>")]
#[command(group = ArgGroup::new("which").required(true).args(["tenants", "tenants_file", "from_realm"]))]
#[command(after_help = "Examples:
  realmctl campaigns create --to eu --from-realm us --limit 100 --dry-run
  realmctl campaigns create --to eu --tenants acme,globex --at-once 2 --wait
  realmctl campaigns create --to eu --tenants-file german-customers.txt \\
    --wave-size 50 --wave-pause 30m --max-failures 2% --window 22:00-04:00")]
pub(crate) struct CreateArgs {
    /// The realm to move to
    #[arg(long, value_name = "REALM")]
    to: String,
    /// The tenants to move, separated by commas
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    tenants: Option<Vec<TenantId>>,
    /// A file with the tenants to move, one id a line; lines that begin with # are left out
    #[arg(long, value_name = "FILE")]
    tenants_file: Option<PathBuf>,
    /// Move the tenants that are in this realm now
    #[arg(long, value_name = "REALM")]
    from_realm: Option<String>,
    /// With --from-realm: up to this many tenants, in the order of their ids
    #[arg(long, value_name = "N", requires = "from_realm", value_parser = number::<u64>(1..=i64::MAX))]
    limit: Option<u64>,
    /// Moves in a wave
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = number::<u64>(1..=1_000_000))]
    wave_size: u64,
    /// How long to rest between two waves
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = parse_duration)]
    wave_pause: Duration,
    /// Moves that run at the same time, at most
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = number::<u64>(1..=1_000_000))]
    at_once: u64,
    /// Halt once this many moves have rolled back or failed: a number, or a share such as 5%
    #[arg(long, value_name = "N", default_value = "1")]
    max_failures: Allowance,
    /// When moves may start and tenants be offline, every day in UTC, such as 22:00-04:00
    #[arg(long, value_name = "HH:MM-HH:MM")]
    window: Option<DailyWindow>,
    /// The longest that each tenant may be offline, such as 20m
    #[arg(long, value_name = "DURATION", value_parser = parse_budget)]
    budget: Option<Duration>,
    /// Which of several moves that are due goes first
    #[arg(long, value_name = "PRIORITY", value_parser = PRIORITIES, default_value = "normal")]
    priority: String,
    /// Plan each tenant's move, and create nothing
    #[arg(long, conflicts_with = "wait")]
    dry_run: bool,
    /// Watch the campaign until it ends or halts
    #[arg(long)]
    wait: bool,
    /// Why; kept with the campaign and in the audit trail
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Creates a campaign, or shows what it would do.
pub(super) async fn run(args: &CreateArgs, client: &Client, terminal: &Terminal) -> Result<Exit, Failure> {
    let request = request(args)?;
    if args.dry_run {
        terminal.data(&client.plan_campaign(&request).await?, view::plan_table)?;
        return Ok(Exit::Done);
    }
    let created = client.create_campaign(&request).await?;
    if args.wait {
        return watch::to_its_end(client, &created, terminal).await;
    }
    let id = &created.id;
    terminal
        .say(&format!("Watch it with `realmctl campaigns watch {id}`, pause it with `realmctl campaigns pause {id}`."));
    terminal.data(&created, view::show_table)?;
    Ok(Exit::Done)
}

fn request(args: &CreateArgs) -> Result<NewCampaign, Failure> {
    let listed = match (&args.tenants, &args.tenants_file) {
        (Some(listed), _) => Some(listed.iter().map(ToString::to_string).collect()),
        (None, Some(file)) => Some(read_tenants(file)?),
        (None, None) => None,
    };
    Ok(NewCampaign {
        to: args.to.clone(),
        tenants: listed,
        from_realm: args.from_realm.clone(),
        limit: args.limit,
        wave_size: Some(args.wave_size),
        wave_pause: Some(Budget::Text(format!("{}ms", args.wave_pause.as_millis()))),
        at_once: Some(args.at_once),
        max_failures: Some(MaxFailures::Text(args.max_failures.to_string())),
        window: args.window.map(|window| window.to_string()),
        budget: args.budget.map(|budget| Budget::Seconds(budget.as_secs())),
        priority: priority(&args.priority),
        dry_run: args.dry_run,
        // Nothing is created that it would be kept with.
        reason: args.reason.clone().filter(|_| !args.dry_run),
    })
}

/// One id a line; empty lines and lines that begin with `#` are left out. A mistake names its line.
fn read_tenants(file: &Path) -> Result<Vec<String>, Failure> {
    let text = read_text(file).map_err(|error| Failure::usage(format!("{} can't be read: {error}", file.display())))?;
    let lines = text.lines().map(str::trim).zip(1..).filter(|(line, _)| !line.is_empty() && !line.starts_with('#'));
    let ids = lines.map(|(line, number)| {
        let id = line.parse::<TenantId>().map(|id| id.to_string());
        id.map_err(|error| Failure::usage(format!("{}, line {number}: {error}", file.display())))
    });
    let ids = ids.collect::<Result<Vec<_>, _>>()?;
    if ids.is_empty() {
        return Err(Failure::usage(format!("{} names no tenant: write one id a line", file.display())));
    }
    Ok(ids)
}
