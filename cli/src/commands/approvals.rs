//! `realmctl approvals`: what waits for another person, approving it, and which actions wait.

use clap::{Args, Subcommand};
use server::api::{
    Action, ApprovalPolicyView, ApprovalState, ApprovalView, Approve, Budget, Change, Page, SetApprovalPolicy,
};

use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::format;
use crate::globals::Globals;
use crate::listing::LimitArgs;
use crate::output::Terminal;
use crate::tables::{Column, facts, table};
use crate::yaml;

/// List, approve and decline what waits for another person, and say which actions wait
///
/// Whoever may ask for an action may approve it, and nobody their own request. Approving carries it out.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  realmctl approvals list
  realmctl approvals show 01a2b3c4-5d6e-7f80-9a1b-2c3d4e5f6071
  realmctl approvals set-policy --action move --action topology")]
pub(crate) enum ApprovalsCommand {
    List(ListArgs),
    Show(ShowArgs),
    Approve(ApproveArgs),
    Decline(DeclineArgs),
    /// Show which actions wait for another person
    #[command(after_help = "Examples:\n  realmctl approvals policy")]
    Policy,
    SetPolicy(SetPolicyArgs),
}

/// List requests for approval, newest first
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  realmctl approvals list\n  realmctl approvals list --all --tenant acme")]
pub(crate) struct ListArgs {
    /// Those that were decided or have expired, too
    #[arg(long)]
    all: bool,
    /// Only those about this tenant
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
    #[command(flatten)]
    limit: LimitArgs,
}

/// Show a request: all that is carried out once it is approved
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  realmctl approvals show 01a2b3c4-5d6e-7f80-9a1b-2c3d4e5f6071")]
pub(crate) struct ShowArgs {
    /// Its id
    #[arg(value_name = "APPROVAL")]
    id: String,
}

/// Approve a request, which carries it out
///
/// The hash says what was looked at: approving anything else is refused. Look at it first with `realmctl approvals show`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  realmctl approvals approve 01a2b3c4-5d6e-7f80-9a1b-2c3d4e5f6071 \\
      --hash 9f86d081884c7d659a2feaa0c55ad015 --reason \"checked with legal\"")]
pub(crate) struct ApproveArgs {
    /// Its id
    #[arg(value_name = "APPROVAL")]
    id: String,
    /// The hash of what was looked at
    #[arg(long, value_name = "HASH")]
    hash: String,
    /// Why; kept in the audit trail
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Decline a request, or withdraw your own
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  realmctl approvals decline 01a2b3c4-5d6e-7f80-9a1b-2c3d4e5f6071 --reason \"not in December\"")]
pub(crate) struct DeclineArgs {
    /// Its id
    #[arg(value_name = "APPROVAL")]
    id: String,
    /// Why; kept in the audit trail
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Say which actions wait for another person
///
/// Asking for more takes effect at once; asking for less waits for another person, too. While any action waits, new tokens do as
/// well: their bearer could be the second person.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  realmctl approvals set-policy --action move --action campaign --valid-for 4h
  realmctl approvals set-policy --none --reason \"end of the audit\"")]
pub(crate) struct SetPolicyArgs {
    /// An action that waits; may be given several times: move, campaign, accepting_replay, topology, limit_zero
    #[arg(long, value_name = "ACTION", value_parser = parse_action, required_unless_present = "none", conflicts_with = "none")]
    action: Vec<Action>,
    /// No action waits
    #[arg(long)]
    none: bool,
    /// How long a request waits: 10 minutes to 30 days
    #[arg(long, value_name = "DURATION", default_value = "24h")]
    valid_for: String,
    /// Why; kept in the audit trail
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub(crate) async fn run(command: &ApprovalsCommand, globals: &Globals, terminal: &Terminal) -> Result<Exit, Failure> {
    let client = Client::of(globals)?;
    match command {
        ApprovalsCommand::List(args) => {
            let state = (!args.all).then(|| "pending".to_owned());
            let page = args.limit.fetch("requests for approval", terminal, async |cursor, limit| {
                let query = [
                    ("state", state.clone()),
                    ("tenant", args.tenant.clone()),
                    ("cursor", cursor),
                    ("limit", Some(limit)),
                ];
                client.approvals(&query).await
            });
            terminal.data(&page.await?, list_table)?;
        }
        ApprovalsCommand::Show(args) => terminal.data(&client.approval(&args.id).await?, show_table)?,
        ApprovalsCommand::Approve(args) => {
            let approve = Approve { hash: args.hash.clone(), reason: args.reason.clone() };
            let approved = client.approve(&args.id, &approve).await?;
            terminal.say(&carried_out(&approved));
            terminal.data(&approved, show_table)?;
        }
        ApprovalsCommand::Decline(args) => {
            let declined = client.decline(&args.id, &Change { reason: args.reason.clone() }).await?;
            terminal.say(&format!("Request {} is {}.", declined.id, state(&declined)));
            terminal.data(&declined, show_table)?;
        }
        ApprovalsCommand::Policy => terminal.data(&client.approval_policy().await?, policy_table)?,
        ApprovalsCommand::SetPolicy(args) => {
            let policy = SetApprovalPolicy {
                actions: args.action.iter().copied().collect(),
                valid_for: Some(Budget::Text(args.valid_for.clone())),
                reason: args.reason.clone(),
            };
            terminal.data(&client.set_approval_policy(&policy).await?, policy_table)?;
        }
    }
    Ok(Exit::Done)
}

fn parse_action(text: &str) -> Result<Action, String> {
    let names: Vec<&str> = Action::NAMED.iter().map(|action| action.as_str()).collect();
    let named = Action::find(text).filter(|action| Action::NAMED.contains(action));
    named.ok_or_else(|| format!("actions are {}", names.join(", ")))
}

fn state(approval: &ApprovalView) -> &'static str {
    match approval.state {
        ApprovalState::Pending => "pending",
        ApprovalState::Approved => "approved",
        ApprovalState::Declined => "declined",
        ApprovalState::Withdrawn => "withdrawn",
        ApprovalState::Expired => "expired",
    }
}

/// What an approval came to, and where to look.
fn carried_out(approved: &ApprovalView) -> String {
    let Some(outcome) = &approved.outcome else { return format!("Request {} is approved.", approved.id) };
    if !outcome.changed {
        return "Approved; no changes: it was so already.".to_owned();
    }
    if let Some(id) = &outcome.started_move {
        return format!("Approved: move {id} is started. Watch it with `realmctl moves watch {id}`.");
    }
    if let Some(id) = &outcome.campaign {
        return format!("Approved: campaign {id} is created. Watch it with `realmctl campaigns watch {id}`.");
    }
    if let Some(id) = &outcome.removal {
        return format!("Approved: removal {id} runs again. See `realmctl removals show {id}`.");
    }
    if let Some(version) = outcome.topology_version {
        return format!("Approved: version {version} of the topology is in force.");
    }
    "Approved, and carried out.".to_owned()
}

fn list_table(page: &Page<ApprovalView>) -> String {
    let columns = [
        Column::whole("ID"),
        Column::new("WHAT"),
        Column::new("REQUESTED BY"),
        Column::whole("STATE"),
        Column::new("UNTIL"),
    ];
    let rows = page.items.iter().map(|approval| {
        [
            approval.id.clone(),
            approval.summary.clone(),
            approval.requested_by.clone(),
            state(approval).to_owned(),
            format::time(&approval.expires_at),
        ]
    });
    table(&columns, rows)
}

fn show_table(approval: &ApprovalView) -> String {
    let mut lines = vec![
        ("Id", approval.id.clone()),
        ("What", approval.summary.clone()),
        ("State", state(approval).to_owned()),
        ("Requested", format!("{} by {}", format::time(&approval.requested_at), approval.requested_by)),
        ("Reason", if approval.reason.is_empty() { "-".to_owned() } else { approval.reason.clone() }),
        ("Until", format::time(&approval.expires_at)),
        ("Hash", approval.hash.clone()),
    ];
    if let (Some(by), Some(at)) = (&approval.decided_by, &approval.decided_at) {
        let why = approval.decision_reason.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
        lines.push(("Decided", format!("{} by {by}{why}", format::time(at))));
    }
    let mut text = facts(lines);
    let content = yaml::text(&approval.content).unwrap_or_else(|_| approval.content.to_string());
    let heading = match approval.state {
        ApprovalState::Approved => "Carried out",
        ApprovalState::Pending => "To be carried out",
        _ => "Not carried out",
    };
    text.push_str(&format!("\n\n{heading}\n"));
    for line in content.lines() {
        text.push_str(&format!("  {line}\n"));
    }
    if approval.state == ApprovalState::Pending {
        text.push_str(&format!(
            "\nNext steps\n  realmctl approvals approve {0} \\\n      --hash {1}\n  realmctl approvals decline {0}\n",
            approval.id, approval.hash
        ));
    }
    text
}

fn policy_table(policy: &ApprovalPolicyView) -> String {
    let names: Vec<&str> = policy.actions.iter().map(|action| action.as_str()).collect();
    let waits = if names.is_empty() { "no action".to_owned() } else { format!("{}, and new tokens", names.join(", ")) };
    let long = std::time::Duration::from_millis(policy.valid_for_ms.unsigned_abs());
    let set = match (&policy.set_at, &policy.set_by) {
        (Some(at), Some(by)) => format!("{} by {by}", format::time(at)),
        _ => "never".to_owned(),
    };
    facts([("Two people for", waits), ("Requests wait", format::duration(long)), ("Set", set)])
}
