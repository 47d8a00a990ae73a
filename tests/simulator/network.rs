//! Between the movers and the tables: calls that are lost, late, throttled or done in part, and what they do when they arrive.

use std::time::UNIX_EPOCH;

use store::{Clock, Millis};
use testkit::simulator::{Attributes, PendingRequest, number, text};
use workers::error::WorkError;
use workers::inspection::{KeyAttribute, KeyRole, TableSchema};
use workers::tables::{Change, Expires, IndexFacts, Projection, TableFacts};

use crate::faults::Fault;
use crate::hooks::LANES;
use crate::invariants::Broken;
use crate::scenario::{AP, EU, Kind, US};
use crate::tables::{Answer, Answered, At, Call, INDEX_KEY, KEY, Question, UNTIL, item};
use crate::world::{Event, Sender, World};

/// Of the faults of reads, so many in a thousand outlast the SDK's own attempts.
const READS_FAIL: u32 = 250;

/// How much more often writes are late than reads.
const LATE_WRITES: u32 = 4;

/// Of the late requests, so many in a thousand may arrive when nobody waits for them any more.
const VERY_LATE: u32 = 250;

/// Of the failures of tables, so many in a thousand need a person.
const FAILS_FOR_GOOD: u32 = 400;

impl World {
    /// Sends a call, unless its process comes to stand still with the call in hand.
    pub(crate) fn send(&mut self, errand: PendingRequest<Call, Answered>) {
        let rate = self.scenario.rates.pause_at_point;
        if self.hooks.is_calm() || !self.chance.permille(rate / 2) {
            return self.mailbox(errand);
        }
        let lane = errand.lane;
        self.hooks.note(lane, Fault::Pause);
        self.pause(lane / LANES);
        self.hold(lane, Event::Send(errand));
    }

    /// The call is on its way; what becomes of it is decided here.
    pub(crate) fn mailbox(&mut self, errand: PendingRequest<Call, Answered>) {
        let PendingRequest { lane, question: call, answer } = errand;
        let latency = self.chance.between(1, 3);
        if self.is_away(&call.at.0) {
            self.hooks.note(lane, Fault::RegionAway);
            let error = WorkError::retryable("endpoint_unreachable", "the region is away");
            return self.plan(self.scenario.patience, Event::Reply { lane, answer, reply: (Err(error), None) });
        }
        let reads = !matches!(call.question, Question::Write { .. });
        let Some(fault) = self.drawn_fault(reads) else {
            return self.plan(latency, Event::Arrive { lane, call, answer: Some(answer), partial: false });
        };
        self.hooks.note(lane, fault);
        let (given_up, life) = (self.scenario.patience, self.signed_request_ttl());
        let error = match fault {
            Fault::Throttled => WorkError::retryable("throttled", "the table throttles"),
            Fault::TableFails if self.chance.permille(FAILS_FOR_GOOD) => {
                WorkError::permanent("access_denied", "the table refuses this caller")
            }
            Fault::TableFails => WorkError::retryable("store_error", "the table failed"),
            Fault::Gateway => WorkError::retryable("gateway_error", "a gateway answered 504").unanswered(),
            _ => WorkError::retryable("endpoint_unreachable", "no answer came in time").unanswered(),
        };
        match fault {
            Fault::Partial => {
                return self.plan(latency, Event::Arrive { lane, call, answer: Some(answer), partial: true });
            }
            Fault::ReplyLost => self.plan(latency, Event::Arrive { lane, call, answer: None, partial: false }),
            Fault::Late | Fault::Gateway => {
                let longest = if self.chance.permille(VERY_LATE) { self.longest_wait() * 4 } else { life };
                let given_up = if fault == Fault::Late { given_up } else { latency };
                let late = given_up + self.chance.between(1, longest);
                self.plan(late, Event::Arrive { lane, call, answer: None, partial: false });
            }
            _ => {}
        }
        let of_the_table = matches!(fault, Fault::Throttled | Fault::TableFails);
        let after = if of_the_table || fault == Fault::Gateway { latency } else { given_up };
        let time = of_the_table.then(|| self.clock.now());
        self.plan(after, Event::Reply { lane, answer, reply: (Err(error), time) });
    }

    /// Whether the region answers no mover for a while. It comes back, whether or not other faults have ended by then.
    fn is_away(&self, region: &str) -> bool {
        self.scenario.away.is_some_and(|(away, from, until)| away == region && (from..until).contains(&self.now))
    }

    /// The SDK repeats failed reads by itself, so fewer of their failures reach the movers.
    fn drawn_fault(&mut self, reads: bool) -> Option<Fault> {
        if self.hooks.is_calm() || (reads && !self.chance.permille(READS_FAIL)) {
            return None;
        }
        let rates = self.scenario.rates.clone();
        let kinds = [
            (Fault::RequestLost, rates.request_lost),
            (Fault::ReplyLost, rates.reply_lost),
            // A late read does nothing; a late write is what permits are for.
            (Fault::Late, if reads { rates.late } else { rates.late * LATE_WRITES }),
            (Fault::Gateway, rates.gateway),
            (Fault::Throttled, rates.throttled),
            (Fault::Partial, rates.partial),
            (Fault::TableFails, rates.table_fails),
        ];
        kinds.into_iter().find(|(_, rate)| self.chance.permille(*rate)).map(|(fault, _)| fault)
    }

    /// The call takes effect, and its answer, if anybody waits for one, is on its way.
    pub(crate) fn arrive(
        &mut self,
        lane: usize,
        call: Call,
        answer: Option<Sender>,
        partial: bool,
    ) -> Result<(), Broken> {
        let Call { at, question } = call;
        let reply = match question {
            Question::Describe => Ok(Answer::Described(self.describe(&at))),
            Question::Query { .. } if !self.tables[&at].index(self.now).1 => {
                Err(WorkError::retryable("store_error", "the index is being made"))
            }
            Question::Query { value, after, limit } => {
                let limit = if partial { self.chance.below(limit) + 1 } else { limit };
                let now = self.now;
                let table = self.tables.get_mut(&at).expect("every table of the topology exists");
                Ok(Answer::Page(table.page(now, &value, after.as_deref(), limit)))
            }
            Question::Get { keys, attributes } => {
                let done = self.done_of(keys.len(), partial);
                let table = &self.tables[&at];
                let (keys, unread) = keys.split_at(done);
                let mut items: Vec<_> = keys.iter().filter_map(|key| table.get(key).cloned()).collect();
                if let Some(attributes) = attributes {
                    items.iter_mut().for_each(|item| item.retain(|name, _| attributes.contains(name)));
                }
                Ok(Answer::Items { items, unread: unread.to_vec() })
            }
            Question::Write { changes, signed_at } => {
                let signed = signed_at.duration_since(UNIX_EPOCH).expect("simulated times are late").as_millis();
                let age = self.clock.now() - i64::try_from(signed).expect("a time of this century");
                self.write(&at, lane, changes, age, partial)?
            }
        };
        if let Some(answer) = answer {
            let latency = self.chance.between(1, 3);
            let reply = (reply, Some(self.clock.now()));
            self.plan(latency, Event::Reply { lane, answer, reply });
        }
        Ok(())
    }

    /// How long a table accepts a request after it was signed.
    fn signed_request_ttl(&self) -> Millis {
        i64::try_from(self.scenario.timing.signed_request_ttl_dynamodb.as_millis()).expect("short")
    }

    /// How long whoever relies on a place waits for requests of a process that may be dead.
    pub(crate) fn longest_wait(&self) -> Millis {
        let skew = i64::try_from(self.scenario.timing.max_clock_skew.as_millis()).expect("short");
        self.signed_request_ttl() + skew + self.lease()
    }

    /// How many of `all` are done: at least one, so that patience pays.
    fn done_of(&mut self, all: usize, partial: bool) -> usize {
        if partial && all > 1 { self.chance.below(all - 1) + 1 } else { all }
    }

    fn write(
        &mut self,
        at: &At,
        lane: usize,
        mut changes: Vec<Change>,
        age: Millis,
        partial: bool,
    ) -> Result<Result<Answer, WorkError>, Broken> {
        let who = self.name_of(lane);
        if age > self.signed_request_ttl() {
            self.note(&who, &format!("{} in {} refuses a request signed {age} ms ago", at.1, at.0));
            return Ok(Err(WorkError::retryable("request_too_old", "the request was signed too long ago")));
        }
        let done = self.done_of(changes.len(), partial);
        let undone = changes.split_off(done);
        let words: Vec<String> = changes.iter().map(in_words).collect();
        self.note(&who, &format!("{} in {}: {}", at.1, at.0, words.join(", ")));
        for change in changes {
            self.replicate_later(at, &change, true);
            self.apply(at, change, true)?;
        }
        Ok(Ok(Answer::Undone(undone)))
    }

    /// One change takes effect; a mover's is judged.
    pub(crate) fn apply(&mut self, at: &At, change: Change, by_mover: bool) -> Result<(), Broken> {
        let settle = i64::try_from(self.scenario.timing.index_settle.as_millis()).expect("short");
        let (now, lag) = (self.now, self.chance.between(0, settle));
        let table = self.tables.get_mut(at).expect("every table of the topology exists");
        let key = key_of(&change);
        let is_put = matches!(change, Change::Put(_));
        match change {
            Change::Put(item) => drop(table.put(item, now, lag)),
            Change::Delete(_) => drop(table.delete(&key, now, lag)),
        }
        match (by_mover, is_put) {
            (true, true) => self.invariants.mover_put(at, &key),
            (true, false) => self.invariants.mover_delete(at, &key),
            (false, _) => Ok(()),
        }
    }

    /// What a native service's store does by itself.
    pub(crate) fn replicate_later(&mut self, at: &At, change: &Change, by_mover: bool) {
        let replicas = self.replicas(at);
        let Some(other) = replicas.into_iter().find(|region| *region != at.0) else { return };
        let drain = i64::try_from(self.scenario.timing.drain_time.as_millis()).expect("short");
        let at = (other.to_owned(), at.1.clone());
        // Changes of one key do not overtake each other.
        let before = self.replicated.get(&(at.clone(), key_of(change))).map_or(0, |before| before + 1 - self.now);
        let after = self.chance.between(1, drain).max(before);
        self.replicated.insert((at.clone(), key_of(change)), self.now + after);
        self.plan(after, Event::Replicate { at, change: change.clone(), by_mover });
    }

    pub(crate) fn replicate(&mut self, at: &At, change: Change, by_mover: bool) -> Result<(), Broken> {
        self.note("store", &format!("{} in {} replicates: {}", at.1, at.0, in_words(&change)));
        self.apply(at, change, by_mover)
    }

    /// The regions of the table's replica set, if it is in one.
    fn replicas(&self, (region, service): &At) -> Vec<&'static str> {
        let native = self.scenario.services.iter().any(|known| known.name == service && known.kind == Kind::Native);
        if native && region != US { vec![EU, AP] } else { Vec::new() }
    }

    fn expires(&self, service: &str) -> Expires {
        let expires = self.scenario.services.iter().any(|known| known.name == service && known.expires);
        if expires { Expires::By(UNTIL.to_owned()) } else { Expires::Never }
    }

    /// A table deletes some of what has expired by now, as it does at any time after.
    pub(crate) fn sweep(&mut self, at: &At) {
        let now = self.seconds();
        let expired = |item: &Attributes| number(item, UNTIL).is_some_and(|until| until < now);
        let keys: Vec<String> =
            self.tables[at].items().filter(|(_, item)| expired(item)).map(|(key, _)| key.to_owned()).collect();
        for key in keys {
            if self.chance.permille(700) {
                self.note("store", &format!("{} in {} deletes {key}, which has expired", at.1, at.0));
                self.apply(at, Change::Delete(item(&[(KEY, &key)])), false).expect("only movers are judged");
            }
        }
    }

    /// The time by which items expire, in seconds since 1970.
    pub(crate) fn seconds(&self) -> i64 {
        self.clock.now() / 1_000
    }

    /// An index of that name takes the place of the one before. Nobody can read it until it is ready, which takes longer than
    /// whoever stands still keeps a lease.
    pub(crate) fn make_index(&mut self, at: &At, sort: Option<&'static str>) {
        let ready_at = self.now + 2 * self.lease();
        self.note("operator", &format!("makes the index of {} in {} anew, sorted by {sort:?}", at.1, at.0));
        self.tables.get_mut(at).expect("every table of the topology exists").make_index(sort, ready_at);
    }

    fn describe(&self, at: &At) -> TableFacts {
        let attribute = |name: &str| KeyAttribute { name: name.to_owned(), kind: "S".to_owned(), role: KeyRole::Hash };
        let (sort, ready) = self.tables[at].index(self.now);
        let sort = sort.map(|name| KeyAttribute { role: KeyRole::Range, ..attribute(name) });
        let replicas = self.replicas(at).into_iter().map(str::to_owned).collect();
        TableFacts {
            id: Some(format!("{}/{}", at.0, at.1)),
            status: "ACTIVE".to_owned(),
            schema: TableSchema { keys: vec![attribute(KEY)] },
            index: Some(IndexFacts {
                status: if ready { "ACTIVE" } else { "CREATING" }.to_owned(),
                backfilling: !ready,
                keys: std::iter::once(attribute(INDEX_KEY)).chain(sort).collect(),
                projection: Projection::KeysOnly,
            }),
            expires: self.expires(&at.1),
            replicas,
        }
    }
}

fn key_of(change: &Change) -> String {
    let (Change::Put(item) | Change::Delete(item)) = change;
    text(item, KEY).expect("changes name their key").to_owned()
}

fn in_words(change: &Change) -> String {
    let what = if matches!(change, Change::Put(_)) { "put" } else { "delete" };
    format!("{what} {}", key_of(change))
}
