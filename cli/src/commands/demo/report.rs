//! The demo's report: what was observed before and after, what is recorded, and what had to hold.

use std::time::Duration;

use server::api::{MoveView, TenantView};

use super::{NEIGHBOUR, REALMS, TENANT, source, target};
use crate::format;
use crate::playground::Observed;
use crate::tables::{Column, facts, table};

/// Keys that are named when something differs.
const NAMED: usize = 3;

/// Everything the report is made from.
pub(super) struct Report<'a> {
    /// The move as it ended.
    pub(super) view: &'a MoveView,
    pub(super) tenant: &'a TenantView,
    pub(super) before: &'a Observed,
    pub(super) after: &'a Observed,
}

/// Something that had to hold.
pub(super) struct Check {
    /// In words.
    pub(super) what: String,
    /// Whether it does.
    pub(super) holds: bool,
}

impl Report<'_> {
    /// All that had to hold.
    pub(super) fn checks(&self) -> Vec<Check> {
        let Self { view, tenant, before, after } = self;
        let (left, entered) = (source(), target());
        let held = before.of(left, TENANT);
        let arrived = after.of(entered, TENANT);
        let mut equal = format!("{entered} holds exactly what {left} held of {TENANT}");
        let differing = held.differences(arrived, NAMED);
        if !differing.is_empty() {
            equal.push_str(&format!(", but for {} …", differing.join(", ")));
        }
        let neighbour =
            [left, entered].iter().all(|region| before.of(region, NEIGHBOUR) == after.of(region, NEIGHBOUR));
        let recorded = tenant.realm == REALMS[1] && tenant.status == "online";
        let removed = !view.removals.is_empty() && view.removals.iter().all(|removal| removal.state == "done");
        let check = |what: &str, holds| Check { what: what.to_owned(), holds };
        vec![
            check("the move completed, verified", view.state == "completed" && view.verified),
            Check { what: equal, holds: held == arrived && !held.is_empty() },
            check(&format!("{left} holds nothing of {TENANT}"), after.of(left, TENANT).is_empty()),
            check(&format!("{NEIGHBOUR} was not touched"), neighbour && !before.of(left, NEIGHBOUR).is_empty()),
            check(&format!("{TENANT} is recorded as online in realm {}", REALMS[1]), recorded),
            check("every removal is done", removed),
        ]
    }

    /// The report for people.
    pub(super) fn text(&self) -> String {
        let observed = format!("OBSERVED in the stores\n\n{}", self.observed());
        let recorded = format!("RECORDED by realmctl\n\n{}", self.recorded());
        let checks =
            self.checks().into_iter().map(|check| [if check.holds { "yes" } else { "NO" }.to_owned(), check.what]);
        let held = table(&[Column::whole("HELD"), Column::new("WHAT HAD TO HOLD")], checks);
        ["", &observed, "", &recorded, "", &held].join("\n")
    }

    fn observed(&self) -> String {
        let mut rows = Vec::new();
        for tenant in [TENANT, NEIGHBOUR] {
            for region in [source(), target()] {
                let (before, after) = (self.before.of(region, tenant), self.after.of(region, tenant));
                let kinds = [
                    ("issue items", before.issues.len(), after.issues.len()),
                    ("activity items", before.activity.len(), after.activity.len()),
                    ("media objects", before.objects.len(), after.objects.len()),
                ];
                rows.extend(kinds.map(|(kind, before, after)| {
                    let count = |number| format::count(number as u64);
                    [tenant.to_owned(), region.to_owned(), kind.to_owned(), count(before), count(after)]
                }));
            }
        }
        let columns = [
            Column::whole("TENANT"),
            Column::whole("REGION"),
            Column::whole("WHAT"),
            Column::figure("BEFORE"),
            Column::figure("AFTER"),
        ];
        table(&columns, rows)
    }

    fn recorded(&self) -> String {
        let view = self.view;
        let copied = view.copied;
        let rates = |state| {
            let spent = spent_in(view, state);
            let per_second =
                |number: u64| format::count((number as f64 / spent.as_secs_f64().max(0.001)).round() as u64);
            let (items, objects) = (per_second(copied.items), per_second(copied.objects));
            format!("{} ({items} items and {objects} objects a second)", format::duration(spent))
        };
        let done = view.removals.iter().filter(|removal| removal.state == "done").count();
        let removals =
            view.removals.iter().map(|removal| format!("{} {}: {}", removal.service, removal.location, removal.state));
        let removals: Vec<String> = removals.collect();
        facts([
            ("Move", format!("{}, {}", view.id, view.state)),
            ("Offline", format::millis(view.offline_ms)),
            ("Copied", format::amount(copied.items, copied.objects, copied.bytes)),
            ("Copying took", rates("add_data")),
            ("Verifying took", rates("verify")),
            ("Verified", if view.verified { "yes" } else { "no" }.to_owned()),
            ("Removals", format!("{done} of {} done\n{}", removals.len(), removals.join("\n"))),
        ])
    }
}

/// How long the move was in a state, all visits together.
fn spent_in(view: &MoveView, state: &str) -> Duration {
    let passages = view.timeline.iter().zip(view.timeline.iter().skip(1));
    let in_state = passages.filter(|(entered, _)| entered.state == state);
    in_state.filter_map(|(entered, left)| format::between(&entered.at, &left.at)).sum()
}
