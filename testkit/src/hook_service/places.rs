//! What the service holds, and how far it is: for each region and tenant the highest generation it has heard of, and what has been
//! asked of it in that one. Phases only go forward: adding, added, live, removing, removed.

use std::collections::BTreeMap;

use super::Pages;
use super::reply::Reply;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Phase {
    #[default]
    None,
    Adding,
    Added,
    Live,
    Removing,
    Removed,
    Failed,
}

impl Phase {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Adding => "adding",
            Self::Added => "added",
            Self::Live => "live",
            Self::Removing => "removing",
            Self::Removed => "removed",
            Self::Failed => "failed",
        }
    }
}

/// One tenant in one region.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    pub(super) generation: i64,
    pub(super) phase: Phase,
    pub(super) data: Pages,
    /// Where it is being copied from.
    pub(super) source: String,
    pub(super) reason: Option<String>,
}

#[derive(Debug)]
pub(super) struct Places {
    all: BTreeMap<(String, String), Place>,
    pub(super) pages_at_a_time: usize,
}

impl Default for Places {
    fn default() -> Self {
        Self { all: BTreeMap::new(), pages_at_a_time: usize::MAX }
    }
}

impl Places {
    pub(super) fn at(&mut self, region: &str, tenant: &str) -> &mut Place {
        self.all.entry((region.to_owned(), tenant.to_owned())).or_default()
    }

    /// Works a bit further.
    pub(super) fn work(&mut self, region: &str, tenant: &str) {
        let most = self.pages_at_a_time;
        let place = self.at(region, tenant).clone();
        match place.phase {
            Phase::Adding => {
                let source = self.at(&place.source, tenant).data.clone();
                let place = self.at(region, tenant);
                let missing = source.iter().filter(|(key, text)| place.data.get(*key) != Some(text));
                let next: Vec<_> = missing.take(most).map(|(key, text)| (key.clone(), text.clone())).collect();
                place.data.extend(next);
                if place.data == source {
                    place.phase = Phase::Added;
                }
            }
            Phase::Removing => {
                let place = self.at(region, tenant);
                let next: Vec<String> = place.data.keys().take(most).cloned().collect();
                place.data.retain(|key, _| !next.contains(key));
                if place.data.is_empty() {
                    place.phase = Phase::Removed;
                }
            }
            _ => {}
        }
    }
}

impl Place {
    /// Whether the generation is the highest heard of; a higher one begins anew.
    pub(super) fn enter(&mut self, generation: i64) -> Result<(), Reply> {
        if generation < self.generation {
            let reason = format!("generation {generation} is over: {} has begun", self.generation);
            return Err(Reply::refused(409, "stale_generation", &reason));
        }
        if generation > self.generation {
            (self.generation, self.phase, self.reason) = (generation, Phase::None, None);
        }
        Ok(())
    }

    /// Begins to add, unless it has.
    pub(super) fn start(&mut self, source: &str) -> Result<(), Reply> {
        match self.phase {
            Phase::Adding | Phase::Added => Ok(()),
            Phase::None if self.data.is_empty() => {
                self.phase = Phase::Adding;
                source.clone_into(&mut self.source);
                Ok(())
            }
            Phase::None => Err(Reply::refused(409, "not_empty", "there is data here that nobody told of")),
            over => Err(Reply::refused(409, "over", &format!("this generation is {}", over.name()))),
        }
    }

    pub(super) fn commit(&mut self) -> Result<(), Reply> {
        match self.phase {
            Phase::Added | Phase::Live => {
                self.phase = Phase::Live;
                Ok(())
            }
            other => Err(Reply::refused(409, "not_added", &format!("this generation is {}", other.name()))),
        }
    }

    pub(super) fn provision(&mut self) -> Result<(), Reply> {
        match self.phase {
            Phase::None | Phase::Live => {
                self.phase = Phase::Live;
                Ok(())
            }
            other => Err(Reply::refused(409, "over", &format!("this generation is {}", other.name()))),
        }
    }

    /// Stops adding. What is live is not rolled back.
    pub(super) fn roll_back(&mut self) -> Result<(), Reply> {
        if self.phase == Phase::Live {
            return Err(Reply::refused(409, "live", "this generation is in use"));
        }
        self.remove();
        Ok(())
    }

    pub(super) fn remove(&mut self) {
        self.phase = if self.data.is_empty() { Phase::Removed } else { Phase::Removing };
    }
}
