//! How many event streams are open: in all, and of one caller.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::StatusCode;

use crate::principal::Principal;
use crate::problem::ApiError;

/// Event streams open at a time; each asks the catalogue a few times a second.
const MOST: usize = 256;

/// Those of one caller, so that it leaves places for others.
const MOST_OF_ONE: usize = 64;

/// The streams that are open.
#[derive(Debug, Clone, Default)]
pub(crate) struct Streams(Arc<Mutex<HashMap<String, usize>>>);

/// An open stream's place, free again once it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    streams: Streams,
    caller: String,
}

impl Streams {
    /// A place for one more. Callers that share a token have no share of their own.
    pub(crate) fn enter(&self, principal: &Principal) -> Result<Place, ApiError> {
        let caller = principal.key();
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if open.values().sum::<usize>() >= MOST {
            return Err(too_many(format!("{MOST} event streams are open already")));
        }
        let mine = open.entry(caller.clone()).or_default();
        if !caller.is_empty() && *mine >= MOST_OF_ONE {
            return Err(too_many(format!("{} has {MOST_OF_ONE} event streams open already", principal.shown())));
        }
        *mine += 1;
        drop(open);
        Ok(Place { streams: self.clone(), caller })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.streams.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mine) = open.get_mut(&self.caller) {
            *mine -= 1;
            if *mine == 0 {
                open.remove(&self.caller);
            }
        }
    }
}

fn too_many(detail: String) -> ApiError {
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_streams", detail)
}

#[cfg(test)]
mod tests {
    use workflows::access::{Bearer, Role, Scope};

    use super::*;

    fn bearer(name: &str) -> Principal {
        let (token, name, note_use_at) = (name.to_owned(), name.to_owned(), None);
        Principal::of(Bearer { token, name, role: Role::Viewer, scope: Scope::All, note_use_at }, String::new())
    }

    #[test]
    fn one_caller_leaves_places_for_others_and_gives_its_own_back() {
        let streams = Streams::default();
        let mut held: Vec<Place> = (0..MOST_OF_ONE).map(|_| streams.enter(&bearer("a")).expect("a place")).collect();
        assert!(streams.enter(&bearer("a")).is_err());
        let other = streams.enter(&bearer("b")).expect("another caller has its own");
        held.pop();
        held.push(streams.enter(&bearer("a")).expect("the one that was given back"));
        drop((held, other));
        assert!(streams.0.lock().expect("nobody panics").is_empty());
    }

    #[test]
    fn there_is_a_bound_for_all_together() {
        let streams = Streams::default();
        let shared = Principal::trusted(String::new(), false);
        let held: Vec<Place> = (0..MOST).map(|_| streams.enter(&shared).expect("a place")).collect();
        assert!(streams.enter(&shared).is_err() && streams.enter(&bearer("a")).is_err());
        drop(held);
        assert!(streams.enter(&bearer("a")).is_ok());
    }
}
