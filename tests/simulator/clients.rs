//! The tenants' clients: readers with a view that may be stale, and writers that obey it. What they were told is stored must
//! be found in the end.

use std::collections::{BTreeMap, BTreeSet};

use testkit::simulator::Millis;
use workers::tables::{AttributeValue, Change};

use crate::invariants::{BODY, holdings};
use crate::scenario::{AP, Kind, Service};
use crate::tables::{At, INDEX_KEY, KEY, SORT, UNTIL, item};
use crate::world::{Event, World};

/// Routers of one tenant, each with a cache of its own.
const ROUTERS: usize = 2;

/// What one router believes about a tenant.
#[derive(Debug, Clone)]
pub(crate) struct View {
    read_at: Millis,
    online: bool,
    /// Of each service.
    regions: Vec<BTreeSet<&'static str>>,
}

/// A request under way.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    tenant: String,
    service: usize,
    key: String,
    /// `None` deletes.
    body: Option<String>,
    regions: BTreeSet<&'static str>,
}

impl World {
    /// Fills the tables as the tenants' services would have before.
    pub(crate) fn fill_tables(&mut self) {
        for (tenant, _) in self.scenario.tenants.clone() {
            for (n, service) in self.scenario.services.clone().iter().enumerate() {
                for k in 0..self.scenario.items {
                    let key = format!("{tenant}/k{k:02}");
                    let regions = self.invariants.placement(&tenant, service.name);
                    self.written += 1;
                    let body = Some(format!("v{}", self.written));
                    self.request(Request { tenant: tenant.clone(), service: n, key, body, regions });
                }
            }
        }
    }

    /// Replicas diverge: an item that clients were told is stored is not in one of the regions.
    pub(crate) fn let_replicas_diverge(&mut self) {
        for (tenant, service) in self.replicated_by_applications() {
            let regions: Vec<_> = self.invariants.placement(&tenant, service).into_iter().collect();
            let region = *self.chance.pick(&regions);
            let keys: Vec<String> = self.stored(&tenant, service).into_keys().take(self.scenario.lacking).collect();
            for key in keys {
                self.note("replicator", &format!("{key} of {service} never arrives in {region}"));
                let at = (region.to_owned(), service.to_owned());
                self.apply(&at, Change::Delete(item(&[(KEY, &key)])), false).expect("only movers are judged");
            }
        }
    }

    /// Somebody makes diverged replicas equal again.
    pub(crate) fn repair_replicas(&mut self) {
        for (tenant, service) in self.replicated_by_applications() {
            for region in self.invariants.placement(&tenant, service) {
                let at = (region.to_owned(), service.to_owned());
                let held = holdings(&self.tables[&at], &tenant);
                for (key, body) in self.stored(&tenant, service).into_iter().filter(|(key, _)| !held.contains_key(key))
                {
                    self.note("operator", &format!("repairs {key} of {service} in {region}"));
                    let put = self.put_of(&tenant, service, (&key, &body));
                    self.apply(&at, put, false).expect("only movers are judged");
                }
            }
        }
    }

    /// Tenants and services that are in several regions by the services' own replication.
    fn replicated_by_applications(&self) -> Vec<(String, &'static str)> {
        let services = self.scenario.services.iter().filter(|service| service.kind == Kind::Application);
        let pairs =
            services.flat_map(|service| self.scenario.tenants.iter().map(move |(id, _)| (id.clone(), service.name)));
        pairs.filter(|(tenant, service)| self.invariants.placement(tenant, service).len() > 1).collect()
    }

    fn stored(&self, tenant: &str, service: &str) -> BTreeMap<String, String> {
        self.invariants.data.get(&(tenant.to_owned(), service.to_owned())).cloned().unwrap_or_default()
    }

    fn put_of(&self, tenant: &str, service: &str, (key, body): (&str, &str)) -> Change {
        let parts = self.scenario.services.iter().find(|known| known.name == service).map_or(1, |known| known.parts);
        let number: u32 = key.bytes().map(u32::from).sum();
        let value = format!("{tenant}#{}", number % parts);
        let mut put = vec![(KEY, key), (INDEX_KEY, value.as_str()), (BODY, body)];
        put.extend(number.is_multiple_of(2).then_some((SORT, "soon")));
        let mut put = item(&put);
        if let Some(until) = self.invariants.until.get(body) {
            put.insert(UNTIL.to_owned(), AttributeValue::N(until.to_string()));
        }
        Change::Put(put)
    }

    /// A client wants to write something: it goes by its router's view.
    pub(crate) fn think(&mut self, tenant: usize) {
        let view = self.view(tenant);
        if !view.online {
            return;
        }
        let service = self.chance.below(self.scenario.services.len());
        let name = self.scenario.tenants[tenant].0.clone();
        let key = format!("{name}/k{:02}", self.chance.below(self.scenario.items * 2));
        let claim = format!("{service}:{key}");
        if self.in_flight.contains(&claim) {
            return;
        }
        self.in_flight.push(claim);
        self.written += 1;
        let body = (!self.chance.permille(300)).then(|| format!("v{}", self.written));
        let drain = i64::try_from(self.scenario.timing.drain_time.as_millis()).expect("short");
        let after = self.chance.between(0, drain);
        let regions = view.regions[service].clone();
        self.note("client", &format!("begins to write {key}, to be done in {after} ms"));
        self.plan(after, Event::Request(Request { tenant: name, service, key, body, regions }));
    }

    /// The view of one of the tenant's routers, read again when it is older than allowed.
    fn view(&mut self, tenant: usize) -> View {
        let router = tenant * ROUTERS + self.chance.below(ROUTERS);
        let ttl = i64::try_from(self.scenario.timing.context_ttl.as_millis()).expect("short");
        let count = self.scenario.tenants.len() * ROUTERS;
        while self.views.len() < count {
            self.views.push(View { read_at: -ttl, online: false, regions: Vec::new() });
        }
        if self.now - self.views[router].read_at >= ttl {
            let id = &self.scenario.tenants[tenant].0;
            let services: &[Service] = &self.scenario.services;
            self.views[router] = View {
                read_at: self.now,
                online: self.invariants.seen.tenants.get(id).is_some_and(|row| row.status == "online"),
                regions: services.iter().map(|service| self.invariants.placement(id, service.name)).collect(),
            };
        }
        self.views[router].clone()
    }

    /// The request takes effect wherever its view says, and is acknowledged.
    pub(crate) fn request(&mut self, request: Request) {
        let Request { tenant, service, key, body, regions } = request;
        let Service { name, kind, expires, .. } = self.scenario.services[service].clone();
        self.in_flight.retain(|claim| *claim != format!("{service}:{key}"));
        if let Some(body) = body.as_ref().filter(|_| expires)
            && self.chance.permille(500)
        {
            let until = self.seconds() + self.chance.between(-2, 12);
            self.invariants.until.insert(body.clone(), until);
        }
        let change = match &body {
            Some(body) => self.put_of(&tenant, name, (&key, body)),
            None => Change::Delete(item(&[(KEY, &key)])),
        };
        for region in &regions {
            let at = ((*region).to_owned(), name.to_owned());
            if kind == Kind::Native && *region == AP {
                continue; // The store brings it there.
            }
            self.replicate_later(&at, &change, false);
            self.apply(&at, change.clone(), false).expect("only movers are judged");
        }
        let words = body.as_ref().map_or("deleted".to_owned(), |body| format!("is {body}"));
        self.note("client", &format!("{key} of {name} {words} in {regions:?}"));
        // A key that was deleted late at an old place and is written at the new one again is another matter.
        let of_key = |((_, of), written): &(At, String)| of == name && *written == key;
        self.invariants
            .late
            .iter_mut()
            .filter(|(at, late)| of_key(at) && !late.added)
            .for_each(|(_, late)| late.told = true);
        let data = self.invariants.data.entry((tenant, name.to_owned())).or_default();
        match body {
            Some(body) => drop(data.insert(key, body)),
            None => drop(data.remove(&key)),
        }
    }
}
