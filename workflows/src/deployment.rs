//! What every workflow of this process shares: the store, the movers, the constants and the source of ids.

use std::sync::Arc;

use engine::{HostLocks, Ids, Liveness, NoProof, RandomIds, RetryPolicy, RunnerSettings};
use store::Store;
use workers::Movers;

use crate::known_limits::Known;
use crate::partitioning::PartSize;
use crate::timing::Timing;
use crate::webhook_settings::Webhooks;

/// What the workflows of a process share. Cheap to clone.
#[derive(Clone)]
pub struct Deployment {
    /// The catalogue's database.
    pub store: Store,
    /// The data movers.
    pub movers: Movers,
    /// The protocol's constants.
    pub timing: Arc<Timing>,
    /// Source of ids.
    pub ids: Arc<dyn Ids>,
    /// What this process is called as a holder of leases.
    pub owner: String,
    /// Proofs that other processes are dead.
    pub liveness: Arc<dyn Liveness>,
    /// What it knows of limits on units a second.
    pub known: Arc<Known>,
    /// How much of a bucket is worth a part of its own.
    pub part_size: PartSize,
    /// Who is told what happens, and how fast. None unless the operator configured some.
    pub webhooks: Arc<Webhooks>,
}

impl Deployment {
    /// A deployment with random ids, that gives no proof of its death and takes none.
    pub fn new(store: Store, movers: Movers, timing: Timing) -> Self {
        let (ids, liveness) = (Arc::new(RandomIds), Arc::new(NoProof));
        let (timing, owner, known) = (Arc::new(timing), engine::process_name(), Arc::default());
        let webhooks = Arc::default();
        Self { store, movers, timing, ids, owner, liveness, known, part_size: PartSize::default(), webhooks }
    }

    /// The same with a lock that proves the death of this process to others of its host, and theirs to it.
    #[must_use]
    pub fn with_locks(self, locks: HostLocks) -> Self {
        Self { owner: locks.owner().to_owned(), liveness: Arc::new(locks), ..self }
    }

    /// The same with webhooks.
    #[must_use]
    pub fn with_webhooks(self, webhooks: Webhooks) -> Self {
        Self { webhooks: Arc::new(webhooks), ..self }
    }

    /// Runner settings that follow the constants.
    pub fn runner_settings(&self) -> RunnerSettings {
        RunnerSettings {
            lease: self.timing.lease,
            heartbeat: self.timing.heartbeat,
            poll: (self.timing.heartbeat / 10).max(std::time::Duration::from_millis(20)),
            retry: RetryPolicy { first: self.timing.heartbeat / 20, longest: self.timing.lease * 2 },
            alarm_after: self.timing.lease * 20,
            ..RunnerSettings::default()
        }
    }
}
