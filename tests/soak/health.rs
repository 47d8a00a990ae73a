//! Since when the catalogue, and each process, has been in order: a promise about how soon a tenant is brought back counts from
//! the moment when somebody could have done so.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How long a process that was started or disturbed may take before it can be expected to work.
const GRACE: Duration = Duration::from_secs(3);

/// `None`: out of order.
#[derive(Debug)]
pub(crate) struct Health {
    catalogue: Mutex<Option<Instant>>,
    processes: Vec<Mutex<Option<Instant>>>,
}

impl Health {
    pub(crate) fn new(processes: usize) -> Self {
        let now = Instant::now();
        let processes = (0..processes).map(|_| Mutex::new(Some(now + GRACE))).collect();
        Self { catalogue: Mutex::new(Some(now)), processes }
    }

    pub(crate) fn catalogue_is_away(&self) {
        *self.catalogue.lock().expect("no holder of this lock panics") = None;
    }

    /// The catalogue answers again. Every process has to find that out.
    pub(crate) fn catalogue_is_back(&self) {
        *self.catalogue.lock().expect("no holder of this lock panics") = Some(Instant::now() + GRACE);
    }

    pub(crate) fn process_is_away(&self, number: usize) {
        *self.processes[number].lock().expect("no holder of this lock panics") = None;
    }

    pub(crate) fn process_is_back(&self, number: usize) {
        *self.processes[number].lock().expect("no holder of this lock panics") = Some(Instant::now() + GRACE);
    }

    pub(crate) fn is_up(&self, number: usize) -> bool {
        self.processes[number]
            .lock()
            .expect("no holder of this lock panics")
            .is_some_and(|since| since <= Instant::now())
    }

    /// Since when the catalogue and at least one process have been in order, all the time.
    pub(crate) fn since(&self) -> Option<Instant> {
        let catalogue = (*self.catalogue.lock().expect("no holder of this lock panics"))?;
        let up = self.processes.iter().filter_map(|one| *one.lock().expect("no holder of this lock panics"));
        up.min().map(|process| process.max(catalogue)).filter(|since| *since <= Instant::now())
    }
}
