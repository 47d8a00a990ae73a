//! What all handlers share.

use std::sync::Arc;
use std::time::Duration;

use store::{Store, StoreError};
use tokio::sync::{Mutex, Notify};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use workflows::Deployment;
use workflows::access::TokenKeys;

use crate::refusal_budget::RefusalBudget;
use crate::settings::ServerSettings;
use crate::streams::Streams;

/// What handlers share. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) deployment: Deployment,
    /// Ends the event streams.
    pub(crate) stop: CancellationToken,
    pub(crate) streams: Streams,
    pub(crate) last_write: LastWrite,
    pub(crate) token_keys: Arc<TokenKeys>,
    pub(crate) refusals: RefusalBudget,
    /// How long answers to requests with a key are kept.
    pub(crate) keep_answers: Option<Duration>,
    waker: Arc<Notify>,
}

impl App {
    /// `stop` ends its event streams.
    pub(crate) fn new(
        deployment: Deployment,
        waker: Arc<Notify>,
        stop: CancellationToken,
        settings: &ServerSettings,
    ) -> Self {
        Self {
            deployment,
            stop,
            streams: Streams::default(),
            last_write: LastWrite::default(),
            token_keys: Arc::clone(&settings.token_keys),
            keep_answers: settings.keep_answers,
            refusals: RefusalBudget::default(),
            waker,
        }
    }

    /// Tells the runner of this process that something has become due.
    pub(crate) fn announce(&self) {
        self.waker.notify_waiters();
    }
}

/// How often it is tried whether the catalogue takes a write, at most: whoever asks needs no token.
const WRITES_EVERY: Duration = Duration::from_secs(1);

/// When this process last found that the catalogue takes writes.
#[derive(Clone, Default)]
pub(crate) struct LastWrite(Arc<Mutex<Option<Instant>>>);

impl LastWrite {
    /// Tries it, unless it was tried a moment ago and worked. One at a time: others wait for what it comes to.
    pub(crate) async fn try_again(&self, store: &Store) -> Result<(), StoreError> {
        let mut last = self.0.lock().await;
        if last.is_none_or(|last| last.elapsed() >= WRITES_EVERY) {
            *last = None;
            store.try_to_write().await?;
            *last = Some(Instant::now());
        }
        Ok(())
    }
}
