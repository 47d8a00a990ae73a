//! Somebody who writes late. At a location that a removal is to empty an item is added or deleted behind everyone's back, before it has
//! begun; or one is added while it runs. And operators accept nothing but what the removal tells.

use serde_json::Value;
use testkit::simulator::text;
use workers::tables::Change;

use crate::invariants::{BODY, Broken, Late, holdings, tenant_of};
use crate::operators::Deeds;
use crate::scenario::Kind;
use crate::tables::{At, INDEX_KEY, KEY, item};
use crate::world::World;

/// Hexadecimal digits of the digest that stand for what was found.
const HASH: usize = 16;

/// A removal as it is stored.
struct Stored {
    tenant: String,
    at: At,
    /// It compares before it deletes.
    compares: bool,
    begun: bool,
    /// Items that it says were deleted late, and what stands for all that it found.
    found: Option<(u64, String)>,
}

impl Stored {
    fn read(tenant: &str, data: &str) -> Self {
        let state: Value = serde_json::from_str(data).expect("a removal's state is JSON");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let found = state.get("late").map(|late| {
            let digest = late["digest"].as_str().unwrap_or_default();
            (late["deleted"].as_u64().unwrap_or_default(), digest.chars().take(HASH).collect())
        });
        Self {
            tenant: tenant.to_owned(),
            at: (text(&state["location"]["region"]), text(&state["service"])),
            compares: state.get("verified").is_some_and(|verified| !verified.is_null()),
            begun: state["begun"].as_bool().unwrap_or_default(),
            found,
        }
    }
}

impl World {
    /// What an operator does about a failed removal: accepts what it tells, or replays it.
    pub(crate) fn see_to(&mut self, removal: &str) -> Result<Deeds, Broken> {
        let failed = self.removal(removal);
        let Some((deleted, hash)) = failed.found else { return Ok(Deeds::Replay(removal.to_owned())) };
        let shown = self.observer.shown(removal);
        self.note("operator", &format!("is shown {shown:?} late, {deleted} deleted"));
        self.invariants.told(&failed.at, &shown, deleted)?;
        Ok(Deeds::Accept(removal.to_owned(), hash))
    }

    fn removal(&self, id: &str) -> Stored {
        let (tenant, data) = self.observer.workflow(id);
        Stored::read(&tenant, &data)
    }

    /// At some location that a removal compares before it empties it. Where a store replicates, it would bring that to the live copy.
    pub(crate) fn write_late(&mut self) -> Result<(), Broken> {
        let entries = self.invariants.seen.ledger_entries.iter().filter(|(_, entry)| entry.state == "removing");
        let removals: Vec<String> = entries.filter_map(|(_, entry)| entry.workflow.clone()).collect();
        if removals.is_empty() {
            return Ok(());
        }
        let id = self.chance.pick(&removals).clone();
        let removal = self.removal(&id);
        let mut services = self.scenario.services.iter();
        let service = services.find(|service| service.name == removal.at.1 && service.kind != Kind::Native);
        let Some(parts) = service.map(|service| service.parts).filter(|_| removal.compares) else { return Ok(()) };
        let stands = ["waiting", "failed"].contains(&self.invariants.seen.workflows[&id].state.as_str());
        let Stored { tenant, at, begun, .. } = removal;
        let deletable = self.deletable(&tenant, &at);
        // What has been begun may be deleted by the removal itself, and where tallies alone are known no delete can be told.
        let tellable = stands && !begun && self.observer.knows_items(&id);
        let change = if tellable && !deletable.is_empty() && self.chance.permille(500) {
            let key = self.chance.pick(&deletable).clone();
            self.invariants.late.insert((at.clone(), key.clone()), Late { added: false, told: false });
            self.note("a late writer", &format!("deletes {key} of {} in {}", at.1, at.0));
            Change::Delete(item(&[(KEY, &key)]))
        } else if stands {
            let part = self.chance.below(parts as usize);
            self.addition(&tenant, &at, &format!("{tenant}#{part}"))
        } else {
            // Beside what is still to be deleted: whoever deletes that has yet to look whether there is more. What is written after the
            // last look is the recheck's business.
            let beside = self.tables[&at].items().find(|(key, _)| tenant_of(key) == tenant);
            let beside = beside.and_then(|(_, item)| text(item, INDEX_KEY)).map(str::to_owned);
            let Some(value) = beside else { return Ok(()) };
            self.addition(&tenant, &at, &value)
        };
        self.apply(&at, change, false)
    }

    fn addition(&mut self, tenant: &str, at: &At, value: &str) -> Change {
        self.written += 1;
        let key = format!("{tenant}/late{}", self.written);
        self.invariants.late.insert((at.clone(), key.clone()), Late { added: true, told: false });
        self.note("a late writer", &format!("adds {key} under {value} to {} in {}", at.1, at.0));
        Change::Put(item(&[(KEY, &key), (INDEX_KEY, value), (BODY, "late")]))
    }

    /// Keys that both the location and the live copy have, of items that do not expire.
    fn deletable(&self, tenant: &str, at: &At) -> Vec<String> {
        let live = self.invariants.data.get(&(tenant.to_owned(), at.1.clone()));
        let here = holdings(&self.tables[at], tenant);
        let lasts = |body: &String| !self.invariants.until.contains_key(body);
        let both = here
            .into_iter()
            .filter(|(key, body)| lasts(body) && live.and_then(|live| live.get(key)).is_some_and(lasts));
        both.map(|(key, _)| key).collect()
    }
}
