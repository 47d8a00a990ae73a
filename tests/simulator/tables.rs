//! The movers' tables in the simulation: every call becomes a message, and waits for what becomes of it.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use testkit::simulator::{Attributes, Mailbox, Millis, Wakeups, text};
use tokio::time::Instant;
use workers::error::WorkError;
use workers::place::Place;
use workers::store_clocks::{ClockOf, Clocks, Told};
use workers::tables::{Change, Counted, Got, Item, Page, Query, TableApi, TableFacts, Tables};

/// Where a table is: region and name.
pub(crate) type At = (String, String);

/// The primary key of every simulated table.
pub(crate) const KEY: &str = "pk";
/// The indexed attribute of every simulated table.
pub(crate) const INDEX_KEY: &str = "tenant_shard";

/// What some items have besides, and an index made anew may be sorted by.
pub(crate) const SORT: &str = "due";

/// The attribute by whose time items expire, where they do.
pub(crate) const UNTIL: &str = "until";

/// What is asked of a table.
#[derive(Debug, Clone)]
pub(crate) enum Question {
    Describe,
    Query { value: String, after: Option<String>, limit: usize },
    Get { keys: Vec<String>, attributes: Option<Vec<String>> },
    Write { changes: Vec<Change>, signed_at: SystemTime },
}

/// What a table answers.
#[derive(Debug)]
pub(crate) enum Answer {
    Described(TableFacts),
    Page(testkit::simulator::Page),
    Items { items: Vec<Attributes>, unread: Vec<String> },
    Undone(Vec<Change>),
}

/// A call on its way to a table.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) at: At,
    pub(crate) question: Question,
}

/// An answer, and the time of the table that gave it; none when nobody did.
pub(crate) type Answered = (Result<Answer, WorkError>, Option<Millis>);

/// Calls that wait to be sent.
pub(crate) type Calls = Mailbox<Call, Answered>;

/// All tables, as one process reaches them.
pub(crate) struct SimulatedTables {
    pub(crate) calls: Arc<Calls>,
    pub(crate) wakeups: Arc<Wakeups>,
    pub(crate) clocks: Arc<Clocks>,
}

#[async_trait]
impl Tables for SimulatedTables {
    async fn open(&self, place: &Place) -> Result<Arc<dyn TableApi>, WorkError> {
        let Place::Dynamodb { region, table, .. } = place else {
            return Err(WorkError::permanent("place_invalid", "only tables are simulated"));
        };
        let at = (region.clone(), table.clone());
        Ok(Arc::new(Remote {
            at,
            calls: Arc::clone(&self.calls),
            wakeups: Arc::clone(&self.wakeups),
            clocks: Arc::clone(&self.clocks),
            clock: ClockOf::place(place),
        }))
    }
}

struct Remote {
    at: At,
    calls: Arc<Calls>,
    wakeups: Arc<Wakeups>,
    clocks: Arc<Clocks>,
    clock: ClockOf,
}

impl Remote {
    async fn ask(&self, question: Question) -> Result<Answer, WorkError> {
        let lane = self.wakeups.running().expect("only lanes use tables");
        let sent = Instant::now();
        let answer = self.calls.ask(lane, Call { at: self.at.clone(), question });
        match answer.await {
            Ok((answer, time)) => {
                if let Some(time) = time {
                    let date = Some(UNIX_EPOCH + Duration::from_millis(time.unsigned_abs()));
                    let within = Duration::from_millis(1);
                    self.clocks.told(&self.clock, Told { sent, received: Instant::now(), date, within });
                }
                answer
            }
            // Its process has crashed: nothing of it goes on.
            Err(_) => std::future::pending().await,
        }
    }

    async fn page(&self, value: &str, start: Option<Item>, limit: i32) -> Result<testkit::simulator::Page, WorkError> {
        let after = start.as_ref().and_then(|start| text(start, KEY)).map(str::to_owned);
        let limit = usize::try_from(limit).expect("a positive limit");
        match self.ask(Question::Query { value: value.to_owned(), after, limit }).await? {
            Answer::Page(page) => Ok(page),
            other => unreachable!("a query was answered with {other:?}"),
        }
    }
}

#[async_trait]
impl TableApi for Remote {
    async fn describe(&self) -> Result<TableFacts, WorkError> {
        match self.ask(Question::Describe).await? {
            Answer::Described(facts) => Ok(facts),
            other => unreachable!("a description was answered with {other:?}"),
        }
    }

    async fn query(&self, query: Query<'_>) -> Result<Page, WorkError> {
        let page = self.page(query.value, query.start, query.limit).await?;
        let entry = |key: &String| item(&[(KEY, key), (INDEX_KEY, query.value)]);
        Ok(Page { entries: page.keys.iter().map(entry).collect(), last: page.last.as_ref().map(entry) })
    }

    async fn count(&self, value: &str, start: Option<Item>) -> Result<Counted, WorkError> {
        let page = self.page(value, start, 1_000).await?;
        let last = page.last.map(|key| item(&[(KEY, &key), (INDEX_KEY, value)]));
        Ok(Counted { entries: page.keys.len() as u64, last })
    }

    async fn batch_get(&self, keys: Vec<Item>, attributes: Option<&[String]>) -> Result<Got, WorkError> {
        let keys = keys.iter().map(|key| text(key, KEY).expect("keys have the key").to_owned()).collect();
        let attributes = attributes.map(<[String]>::to_vec);
        match self.ask(Question::Get { keys, attributes }).await? {
            Answer::Items { items, unread } => {
                Ok(Got { items, unread: unread.iter().map(|key| item(&[(KEY, key)])).collect() })
            }
            other => unreachable!("a read was answered with {other:?}"),
        }
    }

    async fn batch_write(&self, changes: Vec<Change>, signed_at: SystemTime) -> Result<Vec<Change>, WorkError> {
        match self.ask(Question::Write { changes, signed_at }).await? {
            Answer::Undone(undone) => Ok(undone),
            other => unreachable!("a write was answered with {other:?}"),
        }
    }
}

/// An item of string attributes.
pub(crate) fn item(attributes: &[(&str, &str)]) -> Attributes {
    let string = |text: &str| workers::tables::AttributeValue::S(text.to_owned());
    attributes.iter().map(|(name, value)| ((*name).to_owned(), string(value))).collect()
}
