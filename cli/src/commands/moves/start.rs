//! `realmctl move`: shows the plan of a move, or starts it.

use std::time::Duration;

use catalogue::tenant_id::TenantId;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use jiff::Timestamp;
use server::api::{Budget, CostClass, DryRun, NewMove, NewWindow, Priority, Verification};

use super::{show_table, to_its_end, view};
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::format::{self, parse_duration};
use crate::globals::Globals;
use crate::output::Terminal;
use crate::tables::facts;

/// Move a tenant to another realm
///
/// Repeating the command while the move is in progress returns the same move. Exits with 0 when it was started (with --wait: when
/// it completed), 3 when it was refused; with --wait also 4 when it was rolled back, 1 when it failed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  realmctl move acme --to eu --dry-run
  realmctl move acme --to eu --wait --reason \"contract 4711\"
  realmctl move acme --to eu --at +2h --budget 20m
  realmctl move acme --to eu --window 2026-12-01T02:00:00Z/2026-12-01T04:00:00Z")]
pub(crate) struct MoveArgs {
    /// The tenant's id
    tenant: TenantId,
    /// The realm to move to
    #[arg(long, value_name = "REALM")]
    to: String,
    /// Show the plan and what would block it; start nothing
    #[arg(long, conflicts_with = "wait")]
    dry_run: bool,
    /// When to begin, such as 2026-12-01T02:00:00Z or +2h; at once if not given
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = parse_time)]
    at: Option<Timestamp>,
    /// When the tenant may be offline, as START/END: the move has the tenant online again when it ends; a move that can't begin in time
    /// fails (window_missed)
    #[arg(long, value_name = "START/END", value_parser = parse_window, conflicts_with = "at")]
    window: Option<Span>,
    /// Which of several moves that are due goes first
    #[arg(long, value_name = "PRIORITY", value_parser = PRIORITIES, default_value = "normal")]
    priority: String,
    /// How much of the copy is read back and compared: all of it, a sample and the item count, or nothing
    #[arg(long, value_name = "MODE", value_parser = verification(), default_value = "full")]
    verification: Verification,
    /// Watch the move until it ends
    #[arg(long)]
    wait: bool,
    /// Start it paused: it begins with `realmctl moves resume`
    #[arg(long, conflicts_with_all = ["dry_run", "wait"])]
    paused: bool,
    /// The longest that the tenant may be offline, such as 20m: the move rolls back before it is spent. The server's --offline-deadline
    /// bounds it
    #[arg(long, value_name = "DURATION", value_parser = parse_budget)]
    budget: Option<Duration>,
    /// Why; kept with the move and in the audit trail
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// What begins before that begins at once.
const SOON: Duration = Duration::from_secs(5);

/// Starts a move, or shows what it would do.
pub(crate) async fn start(args: &MoveArgs, globals: &Globals, terminal: &Terminal) -> Result<Exit, Failure> {
    let client = Client::of(globals)?;
    let request = NewMove {
        to: args.to.clone(),
        dry_run: args.dry_run,
        paused: args.paused,
        at: args.at.map(|at| at.to_string()),
        window: args.window.as_ref().map(new_window),
        priority: priority(&args.priority),
        verification: args.verification,
        budget: args.budget.map(|budget| Budget::Seconds(budget.as_secs())),
        // Nothing is started that it would be kept with.
        reason: args.reason.clone().filter(|_| !args.dry_run),
    };
    if args.dry_run {
        let plan = client.dry_run(args.tenant.as_str(), &request).await?;
        terminal.data(&plan, dry_run_table)?;
        return match plan.obstacles.iter().find(|obstacle| obstacle.code == "move_in_progress") {
            Some(obstacle) => Err(Failure::new(Exit::Refused, obstacle.code.clone(), obstacle.text.clone())),
            None => Ok(Exit::Done),
        };
    }
    let (started, new) = client.start_move(args.tenant.as_str(), &request).await?;
    if !new {
        terminal.say("This move is already in progress:");
    }
    if args.wait {
        return to_its_end(&client, &started, terminal).await;
    }
    let id = &started.id;
    terminal.say(&format!("Watch it with `realmctl moves watch {id}`, cancel it with `realmctl moves cancel {id}`."));
    terminal.data(&started, show_table)?;
    Ok(Exit::Done)
}

fn dry_run_table(plan: &DryRun) -> String {
    let mut text = format!("Moving {} from {} to {} would do this:\n\n", plan.tenant, plan.from, plan.to);
    text.push_str(&view::plan_table(&plan.plan));
    let offline = if plan.needs_offline {
        format!("yes, while its data is copied and compared: {} at least", format::millis(plan.least_offline_ms))
    } else {
        "no".to_owned()
    };
    let mut rest = vec![("Begins", begins(plan)), ("Offline", offline)];
    if plan.needs_offline && plan.offline_allowed_ms > 0 {
        rest.push(("Offline at most", format::millis(plan.offline_allowed_ms)));
    }
    rest.extend(estimate_facts(plan));
    rest.push(("Checked", "the catalogue; the stores are checked when the move begins".to_owned()));
    rest.push(("Stays where it is (optional)", plan.stays_out_of_realm.join(", ")));
    rest.push(("Not placed (optional)", plan.not_adopted.join(", ")));
    rest.push(("Plan", plan.plan_hash.clone()));
    rest.push(("Note", plan.warnings.join("\n")));
    text.push_str("\n\n");
    for obstacle in &plan.obstacles {
        let told = std::iter::once(obstacle.text.clone()).chain(obstacle.can_do.iter().cloned());
        rest.push(("In the way", told.collect::<Vec<_>>().join("\n")));
    }
    text.push_str(&facts(rest));
    text
}

/// When it would begin: at once, unless that is some time away.
fn begins(plan: &DryRun) -> String {
    if plan.begins.is_empty() {
        // A server of an earlier version does not say.
        return String::new();
    }
    let later = plan.begins.parse::<Timestamp>().is_ok_and(|at| at > Timestamp::now() + SOON);
    if later { format::time(&plan.begins) } else { "at once".to_owned() }
}

/// What the move would come to, or why that can't be told.
fn estimate_facts(plan: &DryRun) -> Vec<(&'static str, String)> {
    let Some(estimate) = &plan.estimate else {
        let why = plan.no_estimate.as_deref().unwrap_or("this server gives none");
        return vec![("Estimate", format!("none: {why}"))];
    };
    let kinds = [(estimate.items, "item"), (estimate.objects, "object")];
    let counted = kinds.into_iter().filter(|(count, _)| *count > 0).map(|(count, noun)| format::counted(count, noun));
    let mut amounts: Vec<String> = counted.collect();
    amounts.push(format::bytes(estimate.bytes));
    let costs =
        [(estimate.write_units, "write unit"), (estimate.read_units, "read unit"), (estimate.requests, "S3 request")];
    let costs = costs.into_iter().filter(|(count, _)| *count > 0).map(|(count, noun)| format::counted(count, noun));
    let class = match estimate.cost_class {
        CostClass::Small => "small",
        CostClass::Medium => "medium",
        CostClass::Large => "large",
    };
    let mut facts = vec![("To copy", amounts.join(", "))];
    facts.push(("Cost", std::iter::once(class.to_owned()).chain(costs).collect::<Vec<_>>().join(", ")));
    if plan.needs_offline {
        let (least, most) = (format::millis(estimate.offline_ms), format::millis(estimate.offline_high_ms));
        let fits = if estimate.fits { "" } else { ": longer than is allowed, see --budget and --offline-deadline" };
        facts.push(("Estimated", format!("{least} offline, up to {most} if the stores are busy{fits}")));
    }
    facts
}

/// Reads the name of a mode.
fn verification() -> impl TypedValueParser<Value = Verification> {
    let names = [Verification::Full, Verification::Sampled, Verification::Off].map(Verification::name);
    PossibleValuesParser::new(names).try_map(|name| name.parse::<Verification>())
}

/// The names of the priorities, lowest first.
pub(crate) const PRIORITIES: [&str; 3] = ["low", "normal", "high"];

/// The priority of that name.
pub(crate) fn priority(name: &str) -> Priority {
    match name {
        "low" => Priority::Low,
        "high" => Priority::High,
        _ => Priority::Normal,
    }
}

/// A span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    from: Timestamp,
    to: Timestamp,
}

pub(super) fn new_window(span: &Span) -> NewWindow {
    NewWindow { from: span.from.to_string(), to: span.to.to_string() }
}

pub(super) fn parse_window(text: &str) -> Result<Span, String> {
    let expected = || "expected two times, such as 2026-12-01T02:00:00Z/2026-12-01T04:00:00Z or +1h/+3h".to_owned();
    let (from, to) = text.split_once('/').ok_or_else(expected)?;
    let time = |text: &str| parse_time(text.trim()).map_err(|_| expected());
    let span = Span { from: time(from)?, to: time(to)? };
    if span.from < span.to { Ok(span) } else { Err("the window must end later than it begins".to_owned()) }
}

/// A time in RFC 3339, so long from now, or now.
pub(super) fn parse_time(text: &str) -> Result<Timestamp, String> {
    let expected =
        || "expected a time with its zone, such as 2026-12-01T02:00:00Z, or how long from now, such as +2h".to_owned();
    match text.strip_prefix('+') {
        None if text == "now" => Ok(Timestamp::now()),
        Some(wait) => {
            let wait = parse_duration(wait).map_err(|_| expected())?;
            Timestamp::now().checked_add(wait).map_err(|_| "that is too far away".to_owned())
        }
        None => text.parse().map_err(|_| expected()),
    }
}

pub(crate) fn parse_budget(text: &str) -> Result<Duration, String> {
    let budget = parse_duration(text)?;
    if budget.as_secs() == 0 || budget.subsec_millis() > 0 {
        return Err("expected at least a second, in whole seconds".to_owned());
    }
    Ok(budget)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_given_as_they_are_or_from_now() {
        let now = Timestamp::now();
        let later = parse_time("+1h30m").expect("a time");
        let away = later.duration_since(now).as_secs();
        assert!((5_400..5_460).contains(&away), "{away} s away");
        assert_eq!(parse_time("2026-12-01T02:00:00Z").map(|at| at.as_second()), Ok(1_796_090_400));
        for bad in ["+", "+2", "2h", "tomorrow", "2026-12-01", "+99999999999h"] {
            assert!(parse_time(bad).is_err(), "{bad}");
        }
        assert!(parse_window("+1h/+3h").is_ok());
        assert!(parse_window("+3h/+1h").is_err());
    }
}
