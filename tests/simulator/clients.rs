//! The tenants' clients: readers with a view that may be stale, and writers that obey it. What they were told is stored must
//! be found in the end.

use std::collections::BTreeSet;

use testkit::simulator::Millis;
use workers::tables::Change;

use crate::judge::BODY;
use crate::scenario::{Kind, Service};
use crate::tables::{INDEX_KEY, KEY, item};
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
                    let regions = self.judge.placement(&tenant, service.name);
                    self.written += 1;
                    let body = Some(format!("v{}", self.written));
                    self.request(Request { tenant: tenant.clone(), service: n, key, body, regions });
                }
            }
        }
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
                online: self.judge.seen.tenants.get(id).is_some_and(|row| row.status == "online"),
                regions: services.iter().map(|service| self.judge.placement(id, service.name)).collect(),
            };
        }
        self.views[router].clone()
    }

    /// The request takes effect wherever its view says, and is acknowledged.
    pub(crate) fn request(&mut self, request: Request) {
        let Request { tenant, service, key, body, regions } = request;
        let Service { name, kind, parts, .. } = self.scenario.services[service].clone();
        self.in_flight.retain(|claim| *claim != format!("{service}:{key}"));
        let number: u32 = key.bytes().map(u32::from).sum();
        let value = format!("{tenant}#{}", number % parts);
        let change = match &body {
            Some(body) => Change::Put(item(&[(KEY, &key), (INDEX_KEY, &value), (BODY, body)])),
            None => Change::Delete(item(&[(KEY, &key)])),
        };
        for (n, region) in regions.iter().enumerate() {
            let at = ((*region).to_owned(), name.to_owned());
            if kind == Kind::Native && n > 0 {
                continue; // The store brings it there.
            }
            self.replicate_later(&at, &change, false);
            self.apply(&at, change.clone(), false).expect("only movers are judged");
        }
        let words = body.as_ref().map_or("deleted".to_owned(), |body| format!("is {body}"));
        self.note("client", &format!("{key} of {name} {words} in {regions:?}"));
        let data = self.judge.data.entry((tenant, name.to_owned())).or_default();
        match body {
            Some(body) => drop(data.insert(key, body)),
            None => drop(data.remove(&key)),
        }
    }
}
