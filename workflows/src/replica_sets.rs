//! Which locations of a service replicate to each other by their stores' own settings, and what follows from
//! that for a move: data is written once and brought to the rest of the set by the store; it is deleted once.
//! A link that leads from one group of the plan (added, kept, removed) to another, or out of the new shard,
//! is refused. Pure.

use std::collections::BTreeSet;

use catalogue::location::{Address, Location};
use serde::{Deserialize, Serialize};

use crate::plan::ServicePlan;

/// A location with what its store's settings say: where it replicates to by itself, regions or buckets.
pub type Linked<'a> = (&'a Location, &'a [String]);

/// A location that gets, or loses, its data by the replication of another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The service.
    pub service: String,
    /// Key of the location.
    pub at: String,
    /// Key of the set's first location, which is written or emptied.
    pub by: String,
}

/// What a move leaves to the stores' own replication, as read before it went offline.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaSets {
    /// Added locations that nothing is copied to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filled: Vec<Member>,
    /// Removed locations from which nothing is deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub emptied: Vec<Member>,
}

/// Why a move can't be made as the stores are linked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Harmful {
    /// What is done in one would be done in the other.
    #[error(
        "the store replicates {from} to {to} itself, so {done} one would {done_there} the other: unlink them first"
    )]
    Crosses {
        /// From where.
        from: String,
        /// To where.
        to: String,
        /// What the move does.
        done: &'static str,
        /// What that would do.
        done_there: &'static str,
    },
    /// The tenant's data would be, or is, where the new shard has no region.
    #[error(
        "the store of {from} replicates to {to}, which is no location of the new shard: the tenant's data would rest there as well. Take \
         that replica away, or add its region to the shard"
    )]
    LeadsOut {
        /// From where.
        from: String,
        /// The region or bucket.
        to: String,
    },
    /// The service says that its stores replicate, and they don't.
    #[error(
        "the service states replication: native, and the store of {from} does not replicate to {to}: link them, or correct the topology"
    )]
    NotLinked {
        /// From where.
        from: String,
        /// To where.
        to: String,
    },
}

impl Harmful {
    /// A stable name. Never renamed.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Crosses { .. } | Self::LeadsOut { .. } => "replicated_store",
            Self::NotLinked { .. } => "not_replicated",
        }
    }
}

/// What the plan does at a location.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    Added,
    Kept,
    Removed,
}

impl ReplicaSets {
    /// Whether nothing is left to the stores.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Judges the links of a service's locations. `native`: the service states that its stores replicate.
    ///
    /// # Errors
    /// The first harmful link.
    pub fn of(plan: &ServicePlan, locations: &[Linked<'_>], native: bool) -> Result<Self, Harmful> {
        for (from, links) in locations {
            for link in *links {
                check_link(plan, from, link, locations)?;
            }
        }
        if native {
            check_native(plan, locations)?;
        }
        let member =
            |(at, by): (&Location, &Location)| Member { service: plan.service.clone(), at: at.key(), by: by.key() };
        let mut added: Vec<&Location> = plan.add.iter().collect();
        added.sort_by_key(|at| plan.order.iter().position(|key| *key == at.key()));
        // Deletes of single versions, which is how buckets are emptied, are not replicated (S3 User Guide,
        // "What does Amazon S3 replicate?"): each bucket is emptied by itself.
        let tables: Vec<&Location> =
            plan.remove.iter().filter(|at| matches!(at.address, Address::Dynamodb { .. })).collect();
        Ok(Self {
            filled: followers(&added, locations).into_iter().map(member).collect(),
            emptied: followers(&tables, locations).into_iter().map(member).collect(),
        })
    }

    /// Adds those of another service.
    pub fn extend(&mut self, more: Self) {
        self.filled.extend(more.filled);
        self.emptied.extend(more.emptied);
    }

    /// The location whose copy the store itself brings to the one with this key, by key.
    pub fn filled_by(&self, service: &str, key: &str) -> Option<&str> {
        by(&self.filled, service, key)
    }

    /// The location whose deletes the store itself brings to the one with this key, by key.
    pub fn emptied_by(&self, service: &str, key: &str) -> Option<&str> {
        by(&self.emptied, service, key)
    }
}

fn by<'a>(members: &'a [Member], service: &str, key: &str) -> Option<&'a str> {
    members.iter().find(|member| member.service == service && member.at == key).map(|member| member.by.as_str())
}

fn check_link(plan: &ServicePlan, from: &Location, link: &str, locations: &[Linked<'_>]) -> Result<(), Harmful> {
    let here = group(plan, from);
    let there: Vec<&Location> = locations
        .iter()
        .map(|(at, _)| *at)
        .filter(|at| at.key() != from.key() && from.replicates_into(link, at))
        .collect();
    if there.is_empty() && here != Group::Removed {
        return Err(Harmful::LeadsOut { from: from.name.clone(), to: link.to_owned() });
    }
    let Some(to) = there.into_iter().find(|to| group(plan, to) != here) else { return Ok(()) };
    let removes = [here, group(plan, to)].contains(&Group::Removed);
    let (done, done_there) = if removes { ("emptying", "empty") } else { ("filling or emptying", "fill or empty") };
    Err(Harmful::Crosses { from: from.name.clone(), to: to.name.clone(), done, done_there })
}

/// What is written to the first region of the new shard must reach the others.
fn check_native(plan: &ServicePlan, locations: &[Linked<'_>]) -> Result<(), Harmful> {
    let placed = |key: &String| locations.iter().find(|(at, _)| at.key() == *key);
    let mut order = plan.order.iter().filter_map(placed);
    let Some(first) = order.next() else { return Ok(()) };
    match order.find(|(to, _)| !leads(first, to)) {
        Some((to, _)) if !matches!(to.address, Address::Hooks { .. }) => {
            Err(Harmful::NotLinked { from: first.0.name.clone(), to: to.name.clone() })
        }
        _ => Ok(()),
    }
}

/// Those to which an earlier one replicates that itself gets its data directly: what a replica receives is
/// not replicated further.
fn followers<'a>(among: &[&'a Location], locations: &[Linked<'a>]) -> Vec<(&'a Location, &'a Location)> {
    let mut followers: Vec<(&Location, &Location)> = Vec::new();
    let mut direct: Vec<&Linked<'_>> = Vec::new();
    for at in among {
        match direct.iter().find(|from| leads(from, at)) {
            Some((from, _)) => followers.push((at, from)),
            None => direct.extend(locations.iter().find(|(known, _)| known.key() == at.key())),
        }
    }
    followers
}

fn leads((from, links): &Linked<'_>, to: &Location) -> bool {
    links.iter().any(|link| from.replicates_into(link, to))
}

fn group(plan: &ServicePlan, at: &Location) -> Group {
    let keys = |locations: &[Location]| locations.iter().map(Location::key).collect::<BTreeSet<_>>();
    let key = at.key();
    if keys(&plan.add).contains(&key) {
        Group::Added
    } else if keys(&plan.keep).contains(&key) {
        Group::Kept
    } else {
        Group::Removed
    }
}

#[cfg(test)]
mod tests;
