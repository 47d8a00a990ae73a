//! What the service answers to a request that it believes.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::faults::Fault;
use super::places::{Phase, Place};
use super::received::Received;
use super::reply::Reply;
use super::{Call, Inside, SECRET, Shared, signature};

/// Whom a request is about.
struct About {
    tenant: String,
    region: String,
    generation: Option<i64>,
    source: String,
}

impl About {
    fn of(request: &Received) -> Self {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_else(|_| request.query());
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Self {
            tenant: text(&body["tenant"]),
            region: text(&body["region"]),
            generation: body["generation"].as_i64(),
            source: text(&body["source"]["region"]),
        }
    }
}

impl Shared {
    /// Checks the request, does what it asks, and notes both.
    pub(super) fn answer(&self, request: &Received) -> Reply {
        let about = About::of(request);
        let hook = request.hook();
        let mut inside = self.inside();
        let refusal = signature::refusal(request, SECRET, self.age);
        let reply = refusal.unwrap_or_else(|| inside.done(hook, &about).unwrap_or_else(|refused| refused));
        let About { tenant, region, generation, .. } = about;
        inside.calls.push(Call { hook: hook.to_owned(), tenant, region, generation, status: reply.status });
        reply
    }
}

impl Inside {
    fn done(&mut self, hook: &str, about: &About) -> Result<Reply, Reply> {
        let (tenant, region) = (about.tenant.as_str(), about.region.as_str());
        if tenant.is_empty() || region.is_empty() {
            return Err(Reply::refused(400, "invalid", "a tenant and a region are needed"));
        }
        match (hook, about.generation) {
            ("schedule", _) => Ok(Reply::done(json!({}))),
            ("verify", _) => Ok(Reply::done(verified(self.places.at(region, tenant)))),
            ("status", None) => Ok(Reply::done(status(self.places.at(region, tenant)))),
            (_, None) => Err(Reply::refused(400, "invalid", "a generation is needed")),
            ("status", Some(generation)) => self.status_of(about, generation).map(Reply::done),
            (_, Some(generation)) => {
                let place = self.places.at(region, tenant);
                place.enter(generation)?;
                match hook {
                    "start" => place.start(&about.source)?,
                    "commit" => place.commit()?,
                    "rollback" => place.roll_back()?,
                    "provision" => place.provision()?,
                    "remove" => place.remove(),
                    _ => return Err(Reply::refused(404, "unknown_hook", "there is no such hook")),
                }
                Ok(Reply::done(json!({})))
            }
        }
    }

    fn status_of(&mut self, about: &About, generation: i64) -> Result<Value, Reply> {
        let (tenant, region) = (about.tenant.as_str(), about.region.as_str());
        let known = self.places.at(region, tenant);
        if generation > known.generation {
            return Ok(status(&Place { phase: Phase::None, ..known.clone() }));
        }
        known.enter(generation)?;
        self.places.work(region, tenant);
        Ok(status(self.places.at(region, tenant)))
    }

    /// The fault that the next call of the hook meets. One that breaks the work does so here.
    pub(super) fn fault(&mut self, request: &Received) -> Option<Fault> {
        let fault = self.faults.take(request.hook())?;
        if let Fault::Break(reason) = &fault {
            let about = About::of(request);
            let place = self.places.at(&about.region, &about.tenant);
            (place.phase, place.reason) = (Phase::Failed, Some(reason.clone()));
        }
        Some(fault)
    }
}

fn status(place: &Place) -> Value {
    let bytes: usize = place.data.values().map(String::len).sum();
    json!({
        "state": place.phase.name(),
        "items": place.data.len(),
        "bytes": bytes,
        "empty": place.data.is_empty(),
        "reason": place.reason,
    })
}

fn verified(place: &Place) -> Value {
    let mut digest = Sha256::new();
    for (key, text) in &place.data {
        digest.update(format!("{}:{key}{}:{text}", key.len(), text.len()));
    }
    let bytes: usize = place.data.values().map(String::len).sum();
    let digest: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    json!({ "items": place.data.len(), "bytes": bytes, "digest": digest })
}
