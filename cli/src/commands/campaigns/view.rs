//! Campaigns as tables.

use jiff::Timestamp;
use server::api::{CampaignPlan, CampaignView, MemberView, Page};

use crate::format;
use crate::tables::{Column, facts, table};

pub(super) fn list_table(page: &Page<CampaignView>) -> String {
    let now = Timestamp::now();
    let columns = [
        Column::id("ID"),
        Column::whole("TO"),
        Column::new("STATE"),
        Column::figure("TENANTS"),
        Column::figure("DONE"),
        Column::figure("AGE"),
    ];
    let rows = page.items.iter().map(|view| {
        let state = format::state(&view.state, view.error.as_ref());
        let age = format::age(&view.started_at, now);
        [view.id.clone(), view.to.clone(), state, format::count(view.total), format::count(view.done), age]
    });
    table(&columns, rows)
}

/// One campaign in full.
pub(super) fn show_table(view: &CampaignView) -> String {
    let error = view.error.as_ref().map(|error| format!("{} ({})", error.message, error.code));
    let pause = match view.wave_pause_ms {
        0 => String::new(),
        pause => format!(", {} apart", format::millis(pause)),
    };
    let waves = format!("{}; {} moves each{pause}, {} at once", view.wave, view.wave_size, view.at_once);
    let allowance = format!("{} of {} that halt it", view.failures, view.max_failures);
    let rate = view.per_hour.map(|rate| format!("{} an hour", format::count(rate)));
    let rest = view.eta_ms.map(|eta| format!(", about {} left", format::millis(eta)));
    let next = match view.state.as_str() {
        "halted" => format!(
            "look with `realmctl campaigns members {0} --state rolled_back` (and `failed`), then `realmctl campaigns resume {0}` or \
             `cancel`",
            view.id
        ),
        "paused" => format!("`realmctl campaigns resume {}`", view.id),
        _ => String::new(),
    };
    facts([
        ("Campaign", view.id.clone()),
        ("To", view.to.clone()),
        ("State", view.state.clone()),
        ("Waiting for", view.waiting_for.clone().unwrap_or_default()),
        ("Error", error.unwrap_or_default()),
        ("Next step", next),
        ("Tenants", counts(view)),
        ("Failures", allowance),
        ("Wave", waves),
        ("Window", view.window.as_ref().map(|window| format!("{window} UTC, every day")).unwrap_or_default()),
        ("Offline budget", view.budget_ms.map(format::millis).unwrap_or_default()),
        ("Rate", format!("{}{}", rate.unwrap_or_default(), rest.unwrap_or_default())),
        ("Started", format!("{} by {}", format::time(&view.started_at), view.requested_by)),
        ("Ended", view.finished_at.as_deref().map(format::time).unwrap_or_default()),
        ("Reason", view.reason.clone()),
    ])
}

/// `100: 60 done, 5 running, 34 waiting, 1 rolled_back`.
pub(super) fn counts(view: &CampaignView) -> String {
    let kinds = [
        (view.done, "done"),
        (view.running, "running"),
        (view.waiting, "waiting"),
        (view.rolled_back, "rolled back"),
        (view.failed, "failed"),
        (view.skipped, "skipped"),
        (view.cancelled, "cancelled"),
    ];
    let present = kinds.into_iter().filter(|(number, _)| *number > 0);
    let words: Vec<_> = present.map(|(number, what)| format!("{} {what}", format::count(number))).collect();
    format!("{}: {}", format::count(view.total), words.join(", "))
}

pub(super) fn members_table(page: &Page<MemberView>) -> String {
    let columns = [Column::new("TENANT"), Column::whole("STATE"), Column::new("REASON"), Column::id("MOVE")];
    let rows = page.items.iter().map(|member| {
        let reason = member.code.clone().unwrap_or_default();
        let move_id = member.move_id.clone().unwrap_or_else(|| "-".to_owned());
        [member.tenant.clone(), member.state.clone(), reason, move_id]
    });
    table(&columns, rows)
}

/// Skipped tenants shown of a dry run; JSON has them all.
const SHOWN: usize = 20;

pub(super) fn plan_table(plan: &CampaignPlan) -> String {
    let skipped = plan.total - plan.moves;
    let waves = format::counted(plan.waves, "wave");
    let by_code = plan.skipped_by_code.iter().map(|(code, number)| format!("{} {code}", format::count(*number)));
    let mut text = facts([
        ("Tenants", format::count(plan.total)),
        ("Would be moved", format!("{} to {}, in {waves}", format::count(plan.moves), plan.to)),
        ("Offline meanwhile", format!("{} of them", format::count(plan.need_offline))),
        ("Would be skipped", format!("{} ({})", format::count(skipped), by_code.collect::<Vec<_>>().join(", "))),
        ("Checked", "the catalogue; the stores are checked when each move begins".to_owned()),
    ]);
    if skipped > 0 {
        let rows = plan.skipped.iter().take(SHOWN);
        let rows = rows.map(|skipped| [skipped.tenant.clone(), skipped.code.clone(), skipped.reason.clone()]);
        text.push_str("\n\n");
        text.push_str(&table(&[Column::whole("SKIPPED"), Column::whole("CODE"), Column::new("REASON")], rows));
        if plan.skipped.len() > SHOWN {
            text.push_str(&format!("\n… the first {SHOWN}; `--output json` has more"));
        }
    }
    text
}
