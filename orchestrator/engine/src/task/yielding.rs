//! Work that may wait gives its room back when work that keeps a tenant offline finds none: at a point of its own choosing, with no
//! request on its way, and it goes on later from its checkpoint.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// How many pieces of work are to give their room back; shared by all of a runner.
#[derive(Debug, Default)]
pub(crate) struct Wanted(AtomicUsize);

impl Wanted {
    /// From now on so many.
    pub(crate) fn set(&self, count: usize) {
        self.0.store(count, Ordering::SeqCst);
    }

    /// Takes one of them, if any is left.
    fn take(&self) -> bool {
        self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |count| count.checked_sub(1)).is_ok()
    }
}

/// One piece of work's side of it.
#[derive(Debug)]
pub(crate) struct Yielding {
    wanted: Arc<Wanted>,
    may: bool,
    asked: AtomicBool,
}

impl Yielding {
    /// `may`: the work does not keep a tenant offline itself.
    pub(crate) fn new(wanted: Arc<Wanted>, may: bool) -> Self {
        Self { wanted, may, asked: AtomicBool::new(false) }
    }

    /// Whether the work is to stop at its next checkpoint. Once it was asked to, it stays asked.
    pub(crate) fn is_asked(&self) -> bool {
        if !self.may || self.asked.load(Ordering::SeqCst) {
            return self.may;
        }
        let asked = self.wanted.take();
        self.asked.store(asked, Ordering::SeqCst);
        asked
    }

    /// Whether it was asked before.
    pub(crate) fn was_asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use crate::task::yielding::*;

    #[test]
    fn as_many_are_asked_as_are_wanted_and_stay_asked() {
        let wanted = Arc::new(Wanted::default());
        let work: Vec<_> = (0..4).map(|n| Yielding::new(Arc::clone(&wanted), n > 0)).collect();
        let asked = || work.iter().map(Yielding::is_asked).collect::<Vec<_>>();
        assert_eq!(asked(), [false; 4]);
        wanted.set(2);
        assert_eq!(asked(), [false, true, true, false], "never one that keeps a tenant offline");
        assert_eq!(asked(), [false, true, true, false]);
        wanted.set(0);
        assert_eq!(asked(), [false, true, true, false]);
    }
}
