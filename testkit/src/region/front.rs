//! What stands before the embedded DynamoDB: it refuses requests that were signed too long ago, in AWS's words, and can
//! hold a write up. Everything else is passed on as it is.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_sdk_dynamodb::primitives::{DateTime, DateTimeFormat};
use hyper::StatusCode;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::clock::ServerClock;
use super::gate::Gate;
use super::replicas::Replicas;
use crate::Error;
use crate::fault_proxies::forward::{Forward, Reply, Whole, json, of_a_gateway, operation};
use crate::fault_proxies::service::Front;

/// The front.
#[derive(Clone)]
pub(super) struct AgeFront {
    forward: Forward,
    age: Duration,
    clock: ServerClock,
    gate: Gate,
    replicas: Replicas,
    held: Arc<Mutex<JoinSet<()>>>,
}

impl Front for AgeFront {
    async fn answer(&self, request: Whole) -> Reply {
        let is_write = operation(request.headers()) == "BatchWriteItem";
        match if is_write { self.gate.catches() } else { None } {
            Some((number, gateway)) => self.hold(request, number, gateway).await,
            None => self.pass(request).await,
        }
    }
}

impl AgeFront {
    pub(super) fn new(
        behind: &str,
        (age, clock): (Duration, ServerClock),
        gate: Gate,
        replicas: Replicas,
    ) -> Result<Self, Error> {
        Ok(Self { forward: Forward::to(behind)?, age, clock, gate, replicas, held: Arc::default() })
    }

    /// The request goes on when the gate is opened, even if its sender has long given up.
    async fn hold(&self, request: Whole, number: u32, gateway: Option<u16>) -> Reply {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let front = self.clone();
        self.held.lock().await.spawn(async move {
            front.gate.opened(number).await;
            let reply = front.pass(request).await;
            front.gate.answered((reply.status().as_u16(), String::from_utf8_lossy(reply.body()).into_owned()));
            // Nobody may be waiting any more.
            drop(sender.send(reply));
        });
        match gateway {
            Some(status) => of_a_gateway(status),
            None => receiver.await.unwrap_or_default(),
        }
    }

    async fn pass(&self, request: Whole) -> Reply {
        let signed = request.headers().get("x-amz-date").and_then(|date| date.to_str().ok());
        match signed.and_then(|date| refusal(date, self.clock.now(), self.age)) {
            Some(refusal) => json(StatusCode::BAD_REQUEST, refusal),
            None => {
                let reply = self.forward.pass(request.clone()).await;
                self.replicas.after(&request, reply)
            }
        }
    }
}

/// What DynamoDB answers when `signed` (`x-amz-date`) is further from `now` than `age`; `None` when it is not.
fn refusal(signed: &str, now: SystemTime, age: Duration) -> Option<String> {
    let at = read(signed)?;
    let minutes = age.as_secs_f64() / 60.0;
    let message = if now.duration_since(at).is_ok_and(|old| old > age) {
        let bound = write(now - age);
        format!("Signature expired: {signed} is now earlier than {bound} ({} - {minutes} min.)", write(now))
    } else if at.duration_since(now).is_ok_and(|early| early > age) {
        let bound = write(now + age);
        format!("Signature not yet current: {signed} is still later than {bound} ({} + {minutes} min.)", write(now))
    } else {
        return None;
    };
    let kind = "com.amazon.coral.service#InvalidSignatureException";
    Some(serde_json::json!({ "__type": kind, "message": message }).to_string())
}

/// `20260101T000000Z` as a time.
fn read(compact: &str) -> Option<SystemTime> {
    let part = |from: usize, to: usize| compact.get(from..to);
    let (date, time) = ((part(0, 4)?, part(4, 6)?, part(6, 8)?), (part(9, 11)?, part(11, 13)?, part(13, 15)?));
    let text = format!("{}-{}-{}T{}:{}:{}Z", date.0, date.1, date.2, time.0, time.1, time.2);
    SystemTime::try_from(DateTime::from_str(&text, DateTimeFormat::DateTime).ok()?).ok()
}

/// A time as `20260101T000000Z`.
fn write(time: SystemTime) -> String {
    let whole = DateTime::from_secs(DateTime::from(time).secs());
    let text = whole.fmt(DateTimeFormat::DateTime).unwrap_or_default();
    text.replace(['-', ':'], "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_refused_once_it_is_older_than_allowed_or_from_the_future() {
        let now = read("20260101T001500Z").expect("a date");
        let five = Duration::from_secs(300);
        assert_eq!(refusal("20260101T001000Z", now, five), None);
        assert_eq!(refusal("20260101T002000Z", now, five), None);
        let old = refusal("20260101T000959Z", now, five).expect("too old");
        let said =
            "Signature expired: 20260101T000959Z is now earlier than 20260101T001000Z (20260101T001500Z - 5 min.)";
        assert!(old.contains(said), "{old}");
        let early = refusal("20260101T002001Z", now, five).expect("not yet");
        assert!(early.contains("Signature not yet current: 20260101T002001Z"), "{early}");
        assert_eq!(refusal("20200101T000000Z", now, Duration::MAX), None);
    }
}
