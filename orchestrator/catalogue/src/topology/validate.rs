//! The rules a topology must keep. Every breach is reported, each once.

use std::collections::BTreeSet;

use super::lines::Lines;
use super::model::{Realm, Replication, Service, Shard, Topology};
use super::names::{is_plain_name, nearest};
use super::problem::Problem;
use super::{addresses, endpoint, overlap, validate_store};
use crate::topology::validation_context::Rules;

/// Every breach of the rules. Parts that `lines` knows as unreadable have been reported already and are passed over.
pub(super) fn validate(topology: &Topology, lines: &Lines) -> Vec<Problem> {
    let mut rules = Rules { topology, lines, problems: Vec::new() };
    rules.regions();
    for (name, realm) in &topology.realms {
        rules.realm(name, realm);
    }
    for (name, service) in &topology.services {
        rules.service(name, service);
    }
    topology.limits.check(&mut rules, "limits");
    overlap::check(topology, lines, &mut rules.problems);
    if !topology.addresses().is_empty() {
        overlap::check(&topology.as_reached(), lines, &mut rules.problems);
    }
    rules.problems.retain(|problem| !lines.is_unreadable(&problem.path));
    rules.problems
}

impl Rules<'_> {
    fn regions(&mut self) {
        let topology = self.topology;
        for (name, region) in &topology.regions {
            let path = format!("regions.{name}");
            self.name(&path, name);
            for (kind, at) in [("dynamodb", &region.dynamodb), ("s3", &region.s3)] {
                let problem = at.as_ref().and_then(|at| endpoint::problem_with(&at.endpoint));
                if let Some(problem) = problem {
                    self.report(format!("{path}.{kind}.endpoint"), problem);
                }
                let address = at.as_ref().and_then(|at| at.address.as_deref()).and_then(endpoint::problem_with);
                if let Some(problem) = address {
                    self.report(format!("{path}.{kind}.address"), problem);
                }
            }
        }
        self.problems.extend(addresses::check(topology));
    }

    fn realm(&mut self, name: &str, realm: &Realm) {
        let path = format!("realms.{name}");
        self.name(&path, name);
        self.data_regions(&path, &realm.data_regions);
        self.repeats(&format!("{path}.countries"), &realm.countries);
        for (position, country) in realm.countries.iter().enumerate() {
            if country.len() != 2 || !country.bytes().all(|byte| byte.is_ascii_uppercase()) {
                let reason = format!("`{country}` is not a country: two capital letters (ISO 3166-1)");
                self.report(format!("{path}.countries[{position}]"), reason);
            }
        }
        self.repeats(&format!("{path}.timezones"), &realm.timezones);
        for (position, zone) in realm.timezones.iter().enumerate() {
            let stem = zone.strip_suffix('*').unwrap_or(zone);
            if zone.is_empty() || stem.contains('*') || zone.contains(char::is_whitespace) {
                let reason = format!("`{zone}` is not a time zone such as Europe/Dublin or Europe/*");
                self.report(format!("{path}.timezones[{position}]"), reason);
            }
        }
    }

    fn service(&mut self, name: &str, service: &Service) {
        let path = format!("services.{name}");
        self.name(&path, name);
        validate_store::check(self, &path, service);
        if service.shards.is_empty() {
            self.report(format!("{path}.shards"), "a service needs at least one shard");
        }
        let mut names = BTreeSet::new();
        for (position, shard) in service.shards.iter().enumerate() {
            let path = format!("{path}.shards[{position}]");
            self.shard(&path, service, shard);
            if !shard.shard.is_empty() && !names.insert(&shard.shard) {
                self.report(&path, format!("the service has another shard called {}", shard.shard));
            }
        }
    }

    fn shard(&mut self, path: &str, service: &Service, shard: &Shard) {
        self.name(&format!("{path}.shard"), &shard.shard);
        if let Some(problem) = shard.url.as_deref().and_then(endpoint::problem_with) {
            self.report(format!("{path}.url"), problem);
        }
        let known = self.data_regions(path, &shard.data_regions);
        let several = shard.data_regions.len() > 1;
        let stated = !self.lines.has_unreadable_within(path) && !self.lines.has_unreadable_within("realms");
        let fits = self.topology.realms.values().any(|realm| shard.fits(realm));
        if known && stated && !fits && !shard.data_regions.is_empty() {
            let regions = shard.data_regions.join(", ");
            self.report(path, format!("shard {} fits no realm: none has all of [{regions}]", shard.shard));
        }
        let service_path = path.rfind(".shards[").map_or(path, |end| &path[..end]);
        let unreadable = self.lines.is_unreadable(&format!("{service_path}.replication"));
        if several && service.replication == Replication::None && !unreadable {
            let reason = format!(
                "shard {} has several regions: the service must state replication: application or native",
                shard.shard
            );
            self.report(path, reason);
        }
    }

    /// Judges the `dataRegions` of a realm or shard; answers whether every region is known.
    fn data_regions(&mut self, path: &str, regions: &[String]) -> bool {
        let topology = self.topology;
        let path = format!("{path}.dataRegions");
        if regions.is_empty() {
            self.report(&path, "needs at least one region");
        }
        self.repeats(&path, regions);
        let known: Vec<&str> = topology.regions.keys().map(String::as_str).collect();
        let mut all_known = true;
        for (position, region) in regions.iter().enumerate() {
            if !topology.regions.contains_key(region) && !self.lines.is_unreadable("regions") {
                all_known = false;
                let hint = nearest(region, &known).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
                self.report(format!("{path}[{position}]"), format!("there is no region `{region}`{hint}"));
            }
        }
        all_known && !self.lines.has_unreadable_within(&path) && !self.lines.is_unreadable("regions")
    }

    fn repeats(&mut self, path: &str, entries: &[String]) {
        let mut seen = BTreeSet::new();
        for (position, entry) in entries.iter().enumerate() {
            if !seen.insert(entry) {
                self.report(format!("{path}[{position}]"), format!("`{entry}` is here twice"));
            }
        }
    }

    fn name(&mut self, path: &str, name: &str) {
        if !is_plain_name(name) {
            let reason =
                format!("the name `{name}` must be 1 to 63 characters from a-z, 0-9 and -, not starting with -");
            self.report(path, reason);
        }
    }
}
