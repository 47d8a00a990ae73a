//! Judges every change of the catalogue and of the tables against the promises (design P1 to P9). What the tenants' data is,
//! it knows from the clients' acknowledged writes; where it may be, from its own reading of the catalogue, change by change.

use std::collections::{BTreeMap, BTreeSet};

use testkit::simulator::{Attributes, Millis, SimulatedTable, text};

use crate::audit_invariants;
use crate::counter_invariants;
use crate::observer::{EntryKey, Snapshot, TenantRow};
use crate::scenario::{AP, EU, REGIONS, Service, US};
use crate::tables::At;

/// Tables by region and name.
pub(crate) type TableMap = BTreeMap<At, SimulatedTable>;

/// A promise that was broken, in words.
pub(crate) type Broken = String;

/// Codes of failures that pass by themselves.
const MAY_PASS: [&str; 8] = [
    "endpoint_unreachable",
    "throttled",
    "store_error",
    "request_too_old",
    "not_empty",
    "catalogue_unavailable",
    "clock_skew",
    "gateway_error",
];

/// The attribute that tells one version of an item from another.
pub(crate) const BODY: &str = "body";

/// Who made a change.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Actor<'a> {
    /// The name under which the process holds leases.
    pub(crate) owner: &'a str,
    /// What its clock shows.
    pub(crate) now: Millis,
}

/// What is known to be true.
pub(crate) struct Invariants {
    pub(crate) services: Vec<Service>,
    /// The catalogue as last judged.
    pub(crate) seen: Snapshot,
    /// (tenant, service) to key to body: what clients were told is stored.
    pub(crate) data: BTreeMap<(String, String), BTreeMap<String, String>>,
    /// What was written late.
    pub(crate) late: BTreeMap<(At, String), Late>,
    /// When which body expires, in seconds.
    pub(crate) until: BTreeMap<String, i64>,
    /// What time it is, in seconds.
    pub(crate) now: i64,
}

/// An item that was written late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Late {
    /// Added, or deleted.
    pub(crate) added: bool,
    /// An operator was told, and has accepted it.
    pub(crate) told: bool,
}

/// The regions of a shard, by its name.
fn regions_of(shard: &str) -> BTreeSet<&'static str> {
    match shard.rsplit_once('-') {
        Some((_, "us")) => BTreeSet::from([US]),
        Some(("profiles", "eu")) => BTreeSet::from([EU, AP]),
        Some((_, "eu")) => BTreeSet::from([EU]),
        Some(("profiles", _)) => BTreeSet::from([EU]),
        _ => BTreeSet::from([US, EU]),
    }
}

/// The tenant that an item's key names.
pub(crate) fn tenant_of(key: &str) -> &str {
    key.split('/').next().unwrap_or_default()
}

/// What a table holds of a tenant: key to body.
pub(crate) fn holdings(table: &SimulatedTable, tenant: &str) -> BTreeMap<String, String> {
    let body = |item: &Attributes| text(item, BODY).unwrap_or_default().to_owned();
    let of_tenant = table.items().filter(|(key, _)| tenant_of(key) == tenant);
    of_tenant.map(|(key, item)| (key.to_owned(), body(item))).collect()
}

impl Invariants {
    /// The regions in which the tenant's data of a service is to be, by its placement.
    pub(crate) fn placement(&self, tenant: &str, service: &str) -> BTreeSet<&'static str> {
        placement(&self.seen, tenant, service)
    }

    /// A mover's put has taken effect.
    pub(crate) fn mover_put(&self, at: &At, key: &str) -> Result<(), Broken> {
        let (region, service, tenant) = (&at.0, &at.1, tenant_of(key));
        if self.placement(tenant, service).contains(region.as_str()) {
            return Err(format!("P5: a mover wrote {key} to {service} in {region}, where the tenant lives"));
        }
        if self.seen.is_entry(tenant, service, region, "absent") {
            return Err(format!("P6: a mover wrote {key} to {service} in {region}, whose entry is absent"));
        }
        Ok(())
    }

    /// A mover's delete has taken effect, directly or by the store's own replication.
    pub(crate) fn mover_delete(&self, at: &At, key: &str) -> Result<(), Broken> {
        let (region, service, tenant) = (&at.0, &at.1, tenant_of(key));
        if self.placement(tenant, service).contains(region.as_str()) {
            return Err(format!("P5: a mover deleted {key} from {service} in {region}, where the tenant lives"));
        }
        if self.late.get(&(at.clone(), key.to_owned())).is_some_and(|late| late.added && !late.told) {
            return Err(format!("P5: {key}, written late to {service} in {region}, was deleted unseen"));
        }
        Ok(())
    }

    /// A removal has told what was written late, so many deletes among it, and an operator accepts it.
    pub(crate) fn told(&mut self, at: &At, keys: &BTreeSet<String>, deleted: u64) -> Result<(), Broken> {
        let here = |of: &At, key: &String| of == at && keys.contains(key);
        if deleted > 0 && !self.late.iter().any(|((of, key), late)| here(of, key) && !late.added) {
            return Err(format!("P5: {deleted} deletes are told of in {} in {}, and nobody made any", at.1, at.0));
        }
        for (_, late) in self.late.iter_mut().filter(|((of, key), _)| here(of, key)) {
            late.told = true;
        }
        Ok(())
    }

    /// A late delete that nobody was told of, though the live copy still has the item.
    fn untold(&self, tenant: &str, service: &str, region: &str) -> Result<(), Broken> {
        let live = self.data.get(&(tenant.to_owned(), service.to_owned()));
        let untold = self.late.iter().find(|(((in_region, of), key), late)| {
            !late.told
                && (in_region.as_str(), of.as_str()) == (region, service)
                && tenant_of(key) == tenant
                && live.is_some_and(|live| live.contains_key(key))
        });
        untold.map_or(Ok(()), |((_, key), _)| {
            Err(format!("P5: {key}, deleted late from {service} in {region}, lives on and nobody was told"))
        })
    }

    /// Judges what one transaction has changed.
    pub(crate) fn change(&mut self, next: Snapshot, actor: Actor<'_>, tables: &TableMap) -> Result<(), Broken> {
        for (id, tenant) in &next.tenants {
            match self.seen.tenants.get(id) {
                Some(before) => self.tenant(id, before, tenant, &next, actor, tables)?,
                None if tenant.epoch == 1 => {}
                None => return Err(format!("P2: tenant {id} begins with epoch {}", tenant.epoch)),
            }
        }
        self.fences(&next, actor)?;
        stepped_as_stored(&next)?;
        self.held_back(&next)?;
        self.gave_up(&next)?;
        audit_invariants::judge(&self.seen, &next)?;
        counter_invariants::judge(&next)?;
        for id in next.tenants.keys() {
            // One that only notifies changes no placement any more.
            let open = next.workflows.values().filter(|row| {
                row.kind == "move" && row.subject == *id && row.wake_at.is_some() && row.state != "notify"
            });
            if open.count() > 1 {
                return Err(format!("P7: {id} has two moves at once"));
            }
        }
        self.seen = next;
        Ok(())
    }

    /// Work without a deadline fails by nothing that may pass: such failures would wait for a person, and be in the way of moves.
    fn gave_up(&self, next: &Snapshot) -> Result<(), Broken> {
        for (id, row) in next.workflows.iter().filter(|(_, row)| row.state == "failed") {
            let fresh = self.seen.workflows.get(id).is_some_and(|before| before.state != row.state);
            let code = row.failed_with.as_deref().unwrap_or_default();
            if fresh && ["removal", "recheck"].contains(&row.kind.as_str()) && MAY_PASS.contains(&code) {
                return Err(format!("P6: {} {id} has given up on {code}, which may pass", row.kind));
            }
        }
        Ok(())
    }

    /// A pause keeps no tenant offline, and what is held back takes no step (others may intervene: that raises the fence).
    fn held_back(&self, next: &Snapshot) -> Result<(), Broken> {
        for (id, tenant) in next.tenants.iter().filter(|(_, tenant)| tenant.status == "moving") {
            let active_move = tenant.active_move.as_ref().and_then(|mover| next.workflows.get(mover));
            if active_move.is_some_and(|row| row.paused) {
                return Err(format!("P1: {id} is offline, and its move is held back"));
            }
        }
        for (id, row) in next.workflows.iter().filter(|(_, row)| row.paused) {
            let before = self.seen.workflows.get(id).filter(|before| before.paused);
            if before.is_some_and(|before| before.fence == row.fence && before.state != row.state) {
                return Err(format!("P9: {} {id} is held back and went on to {}", row.kind, row.state));
            }
        }
        Ok(())
    }

    fn tenant(
        &self,
        id: &str,
        before: &TenantRow,
        after: &TenantRow,
        next: &Snapshot,
        actor: Actor<'_>,
        tables: &TableMap,
    ) -> Result<(), Broken> {
        let moved = before.realm != after.realm
            || self
                .services
                .iter()
                .any(|service| self.placement(id, service.name) != placement(next, id, service.name));
        let changed = moved || before.status != after.status;
        if after.epoch != before.epoch + i64::from(changed) {
            return Err(format!("P2: {id} went from {before:?} to {after:?}: the epoch does not say so"));
        }
        let moving = after.status == "moving";
        if moving != after.lease_until.is_some() || (moving && after.active_move.is_none()) {
            return Err(format!("P1: {id} is {after:?}: nobody would bring it back"));
        }
        if moving && !changed && before.lease_until < after.lease_until && before.lease_until <= Some(actor.now) {
            return Err(format!("P1: the offline lease of {id} was renewed after it had lapsed"));
        }
        if moved && moving {
            return Err(format!("P2: {id} was moved and is not online"));
        }
        let went_offline = before.status == "online" && moving;
        let came_back = before.status == "moving" && !moving && !moved;
        for service in &self.services {
            let (old, new) = (self.placement(id, service.name), placement(next, id, service.name));
            for region in REGIONS {
                let key = (id.to_owned(), service.name.to_owned(), region.to_owned());
                let (was, is) = (state(&self.seen, &key), state(next, &key));
                let legal = match (was, is) {
                    _ if was == is => true,
                    ("absent", "adding") => went_offline && generation(next, &key) == generation(&self.seen, &key) + 1,
                    ("adding", "live") => moved && new.contains(region) && !old.contains(region),
                    ("live", "removing") => moved && old.contains(region) && !new.contains(region),
                    ("adding", "removing") => came_back,
                    // A recheck has found what a late writer left.
                    ("absent", "removing") => !self.is_empty(id, service.name, region, tables).unwrap_or(false),
                    ("removing", "absent") => {
                        self.untold(id, service.name, region)?;
                        self.is_empty(id, service.name, region, tables)?
                    }
                    _ => false,
                };
                if !legal {
                    return Err(format!(
                        "P3, P4: the entry of {id}, {} in {region} went from {was} to {is}",
                        service.name
                    ));
                }
                if (is == "live") != new.contains(region) {
                    let name = service.name;
                    return Err(format!("P2: {id} is placed in {new:?} for {name}, and its entry in {region} is {is}"));
                }
                if is == "adding" && !moving {
                    return Err(format!("P6: {id} is online, and nobody cleans {} in {region}", service.name));
                }
                if moved && new.contains(region) {
                    self.holds_exactly(id, service.name, region, tables)?;
                }
            }
        }
        Ok(())
    }

    fn is_empty(&self, tenant: &str, service: &str, region: &str, tables: &TableMap) -> Result<bool, Broken> {
        let left = holdings(&tables[&(region.to_owned(), service.to_owned())], tenant);
        match left.keys().next() {
            None => Ok(true),
            Some(key) => Err(format!("P6: the entry of {service} in {region} became absent while {key} is there")),
        }
    }

    /// P8: all of what clients stored, and nothing else; but for what has expired, which may be there or not.
    fn holds_exactly(&self, tenant: &str, service: &str, region: &str, tables: &TableMap) -> Result<(), Broken> {
        let found = holdings(&tables[&(region.to_owned(), service.to_owned())], tenant);
        let empty = BTreeMap::new();
        let wanted = self.data.get(&(tenant.to_owned(), service.to_owned())).unwrap_or(&empty);
        // What has a second left, the least skew in whole seconds, is given up by whoever looks.
        let lives = |body: &&String| self.until.get(*body).is_none_or(|until| *until > self.now + 1);
        let differs = |key: &&String| found.get(*key).filter(lives) != wanted.get(*key).filter(lives);
        match wanted.keys().chain(found.keys()).find(differs) {
            None => Ok(()),
            Some(key) => Err(format!(
                "P8: {service} in {region} holds {:?} under {key}, and clients were told {:?}",
                found.get(key),
                wanted.get(key)
            )),
        }
    }

    /// P9: what is written under a lease is written by its holder, unless an external transition raised the fence.
    fn fences(&self, next: &Snapshot, actor: Actor<'_>) -> Result<(), Broken> {
        for (id, after) in &next.workflows {
            let Some(before) = self.seen.workflows.get(id) else { continue };
            let written = before.state != after.state && before.fence == after.fence;
            if written && before.owner.as_deref() != Some(actor.owner) {
                return Err(format!("P9: {} stepped {id}, which {:?} holds", actor.owner, before.owner));
            }
        }
        for (id, after) in &next.tasks {
            let Some(before) = self.seen.tasks.get(id) else { continue };
            let written = before.checkpoint != after.checkpoint || before.status != after.status;
            if written && before.owner.as_deref() != Some(actor.owner) {
                return Err(format!("P9: {} wrote to task {id}, which {:?} holds", actor.owner, before.owner));
            }
        }
        Ok(())
    }

    /// At the end, with everything calm: online, in the right place, complete, and nowhere else.
    pub(crate) fn end(&self, tables: &TableMap) -> Result<(), Broken> {
        for (id, tenant) in &self.seen.tenants {
            if tenant.status != "online" || tenant.active_move.is_some() {
                return Err(format!("P1: in the end {id} is {tenant:?}"));
            }
            for service in &self.services {
                let placement = self.placement(id, service.name);
                for region in REGIONS {
                    let state = if placement.contains(region) { "live" } else { "absent" };
                    if !self.seen.is_entry(id, service.name, region, state) {
                        return Err(format!(
                            "P6: in the end the entry of {id}, {} in {region} is not {state}",
                            service.name
                        ));
                    }
                    if placement.contains(region) {
                        self.holds_exactly(id, service.name, region, tables)?;
                    } else {
                        self.is_empty(id, service.name, region, tables)?;
                    }
                }
            }
        }
        if let Some((id, row)) = self.seen.workflows.iter().find(|(_, row)| row.wake_at.is_some()) {
            return Err(format!("P9: in the end {id} is {}", row.state));
        }
        match self.seen.tasks.keys().next() {
            Some(task) => Err(format!("P9: in the end task {task} is left")),
            None => Ok(()),
        }
    }
}

/// P9: nobody steps a workflow from a state that it has left.
fn stepped_as_stored(next: &Snapshot) -> Result<(), Broken> {
    let impossible = |error: &&String| ["no_such_step", "illegal_transition"].iter().any(|code| error.contains(code));
    match next.workflows.iter().find_map(|(id, row)| Some((id, row, row.error.as_ref().filter(impossible)?))) {
        None => Ok(()),
        Some((id, row, error)) => {
            Err(format!("P9: {} {id} was stepped from a state that it had left: {error}", row.kind))
        }
    }
}

fn placement(snapshot: &Snapshot, tenant: &str, service: &str) -> BTreeSet<&'static str> {
    let shard = snapshot.placements.get(&(tenant.to_owned(), service.to_owned()));
    shard.map(|shard| regions_of(shard)).unwrap_or_default()
}

fn state<'a>(snapshot: &'a Snapshot, key: &EntryKey) -> &'a str {
    snapshot.ledger_entries.get(key).map_or("absent", |entry| &entry.state)
}

fn generation(snapshot: &Snapshot, key: &EntryKey) -> i64 {
    snapshot.ledger_entries.get(key).map_or(0, |entry| entry.generation)
}
