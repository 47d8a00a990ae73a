//! Stands aside while the process lacks something that its work needs ([`Fitness`]): it claims no task and no step that reaches out, says
//! what it lacks, and gives back unharmed what fails for it. All else goes on: tenants come back online.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::runner::Runner;
use crate::step_error::StepError;

/// How the process stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// Nobody has looked yet.
    Unknown,
    /// It lacks nothing.
    Fit,
    /// It lacks this.
    Aside(String),
}

/// What the last look has found.
#[derive(Debug)]
pub(crate) struct Standing {
    state: Mutex<State>,
    /// One looks at a time.
    looking: tokio::sync::Mutex<()>,
}

impl Standing {
    /// Of a process of which nobody tells what it lacks, it is known that it is fit.
    pub(crate) fn new(is_looked_at: bool) -> Self {
        let state = Mutex::new(if is_looked_at { State::Unknown } else { State::Fit });
        Self { state, looking: tokio::sync::Mutex::default() }
    }

    /// Whether it claims all kinds of work.
    pub(crate) fn takes_part(&self) -> bool {
        *self.state() == State::Fit
    }

    /// What it lacks.
    pub(crate) fn lacks(&self) -> Option<String> {
        match &*self.state() {
            State::Aside(lacks) => Some(lacks.clone()),
            State::Unknown | State::Fit => None,
        }
    }

    /// How it stood before, if that has changed.
    fn set(&self, state: State) -> Option<State> {
        let mut now = self.state();
        (*now != state).then(|| std::mem::replace(&mut *now, state))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Runner {
    /// Looks with each heartbeat, until `stop`.
    pub(crate) async fn run_fitness(&self, stop: &CancellationToken) {
        loop {
            if stop.run_until_cancelled(self.look_at_fitness(None)).await.is_none() {
                return;
            }
            if stop.run_until_cancelled(tokio::time::sleep(self.settings.heartbeat)).await.is_none() {
                return;
            }
        }
    }

    /// For drivers that tick: looks if nobody has, and whether what was lacking is there again.
    pub(crate) async fn know_fitness(&self) {
        if !self.standing.takes_part() {
            self.look_at_fitness(None).await;
        }
    }

    /// Whether work has failed for what this process lacks, and does so still: then it is given back unharmed.
    pub(crate) async fn stands_aside_after(&self, failure: &StepError) -> bool {
        self.is_own_failure(failure) && !self.look_at_fitness(Some(failure)).await
    }

    /// Whether a failure comes from what this process lacks, or lacked then.
    pub(crate) fn is_own_failure(&self, failure: &StepError) -> bool {
        self.registry.fitness.as_ref().is_some_and(|fitness| fitness.is_own(failure))
    }

    /// Looks, and tells of what has changed. Returns whether the process is fit.
    async fn look_at_fitness(&self, met: Option<&StepError>) -> bool {
        let Some(fitness) = &self.registry.fitness else { return true };
        let one = self.standing.looking.lock().await;
        // Much work fails at once: somebody has looked meanwhile.
        if met.is_some() && self.standing.lacks().is_some() {
            return false;
        }
        let lacks = fitness.look(met).await;
        let now = lacks.clone().map_or(State::Fit, State::Aside);
        let before = self.standing.set(now);
        drop(one);
        match (before, &lacks) {
            (None, _) => {}
            (Some(_), Some(lacks)) => {
                warn!(
                    lacks,
                    "this process can't do data work and leaves it to others; it resumes once that is put right"
                );
                self.say_at_once().await;
            }
            (Some(before), None) => {
                if before != State::Unknown {
                    info!("this process can do data work again");
                }
                self.say_at_once().await;
                self.store.waker().notify_waiters();
            }
        }
        lacks.is_none()
    }
}

#[cfg(test)]
mod tests {
    use crate::runner::standing_aside::*;

    #[test]
    fn a_process_that_is_looked_at_takes_part_once_it_is_known_to_lack_nothing() {
        assert!(Standing::new(false).takes_part());
        let standing = Standing::new(true);
        assert!(!standing.takes_part() && standing.lacks().is_none());
        let aside = State::Aside("no credentials".to_owned());
        assert_eq!(standing.set(aside.clone()), Some(State::Unknown));
        assert_eq!((standing.takes_part(), standing.lacks().as_deref()), (false, Some("no credentials")));
        assert_eq!(standing.set(aside.clone()), None, "told once");
        assert_eq!(standing.set(State::Aside("no files".to_owned())), Some(aside), "another cause is told");
        assert!(standing.set(State::Fit).is_some() && standing.takes_part() && standing.lacks().is_none());
    }
}
