//! What the protocol's safety rests on, each with a switch.

/// One guard. Switched off, the protocol behaves as if its authors had forgotten it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// Every step, permit and report of work checks that its lease was not taken over.
    Fence,
    /// The commit checks that the epoch is the one that the move itself set.
    EpochAtCommit,
    /// The commit checks that the tenant is moving, and for this move.
    StatusAtCommit,
    /// A write permit checks the epoch.
    EpochAtPermit,
    /// A permit checks that the entry is in the state that allows the work.
    EntryAtPermit,
    /// A change of an entry starts from the state that it must be in, or nothing is changed.
    EntryArrows,
    /// A permit, and the end of a removal, check the generation of the entry.
    Generation,
    /// A lapsed offline lease is never renewed.
    NoRenewalAfterLapse,
    /// `re_online` raises the epoch.
    ReOnlineRaisesEpoch,
    /// The store refuses a request whose permit is old.
    SignedPermits,
    /// Verification waits until no earlier request to the target can land any more.
    WaitBeforeVerify,
    /// A removal waits before its last look, until no earlier request to the location can land any more.
    WaitBeforeAbsent,
    /// A removal that is replayed compares again before it deletes.
    CompareOnReplay,
    /// The entry becomes `adding` before the first byte is written.
    LedgerFirst,
    /// A move goes offline only if its target's entry is absent.
    TargetAbsent,
    /// Copying begins only once no reader acts on a context from before the offline mark.
    Drain,
    /// Nothing commits before everything is copied and compared.
    AddBeforeCommit,
    /// Placement, status, epoch and entries change in one transaction.
    OneTransaction,
    /// A tenant has one active move.
    OneActiveMove,
}

impl Guard {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::Fence,
        Self::EpochAtCommit,
        Self::StatusAtCommit,
        Self::EpochAtPermit,
        Self::EntryAtPermit,
        Self::EntryArrows,
        Self::Generation,
        Self::NoRenewalAfterLapse,
        Self::ReOnlineRaisesEpoch,
        Self::SignedPermits,
        Self::WaitBeforeVerify,
        Self::WaitBeforeAbsent,
        Self::CompareOnReplay,
        Self::LedgerFirst,
        Self::TargetAbsent,
        Self::Drain,
        Self::AddBeforeCommit,
        Self::OneTransaction,
        Self::OneActiveMove,
    ];
}
