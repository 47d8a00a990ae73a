//! A state of the modelled world: the catalogue, the stores, the client, the processes and what is on the network.

/// One of the two locations.
pub type Location = usize;

/// What may be done with the tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// Served.
    Online,
    /// Offline for a move.
    Moving,
}

/// Whether data of the tenant may be at a location.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntryState {
    /// None.
    Absent,
    /// A move adds it.
    Adding,
    /// It lives there.
    Live,
    /// A removal takes it away.
    Removing,
}

/// One ledger entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LedgerEntry {
    /// Whether data may be there.
    pub state: EntryState,
    /// Grows when the entry becomes `adding`.
    pub generation: u8,
}

/// Where a move stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Planned; the tenant is online.
    Planned,
    /// Offline; waits for the readers.
    Drain,
    /// Copies.
    AddData,
    /// Compares.
    Verify,
    /// Verified; may commit.
    Commit,
    /// The placement has changed and the entries not yet: only without [`crate::Guard::OneTransaction`].
    HalfCommitted,
    /// Must go back online.
    ReOnline,
    /// Committed.
    Completed,
    /// Back where it was.
    RolledBack,
}

/// A move's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Move {
    /// Away from here.
    pub from: Location,
    /// To there.
    pub to: Location,
    /// Where it stands.
    pub stage: Stage,
    /// Raised by each take-over.
    pub fence: u8,
    /// The tenant's epoch when it was planned; then the one that it set by going offline.
    pub epoch: u8,
    /// The target entry's generation, set by going offline.
    pub generation: u8,
}

/// A removal's row: one a location and generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Removal {
    /// What is emptied.
    pub at: Location,
    /// The generation of the entry that is emptied.
    pub generation: u8,
    /// Raised by each take-over.
    pub fence: u8,
    /// Empties what a commit has left, and not what a rollback has given up: there is something to compare with.
    pub left: bool,
    /// What is there has been compared with what was verified, and is as it was: it may delete.
    pub compared: bool,
    /// Failed, until it is replayed.
    pub failed: bool,
    /// It failed because it found a late write; whoever replays it has looked and accepts that.
    pub found_late: bool,
    /// The entry is absent.
    pub done: bool,
}

/// A workflow, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Work {
    /// A move.
    Move(usize),
    /// A removal.
    Removal(usize),
}

/// What a process believes: the row as it was when it claimed it or last wrote it. Others may have taken it over since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Job {
    /// The workflow.
    pub work: Work,
    /// The fence that it was claimed under.
    pub fence: u8,
    /// The stage of a move when this process last saw it.
    pub stage: Stage,
    /// A store has answered this process's request.
    pub answered: bool,
}

/// A request that a store has not refused yet: on the network, or in the hands of a process that was paused before sending
/// it. It may be applied at any moment, and more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Request {
    /// To which location.
    pub to: Location,
    /// A write of this version, or a delete.
    pub put: Option<u8>,
    /// The process that waits for the answer; `None` once it works on something else.
    pub by: Option<usize>,
}

/// The tenant's context as the client has cached it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Context {
    /// Of this epoch.
    pub epoch: u8,
    /// Where the client writes.
    pub placement: Location,
}

/// Things that must never have happened: about a transition, so that no single state shows them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Wrongs {
    /// The epoch became smaller.
    pub epoch_fell: bool,
    /// Status or placement changed under the same epoch.
    pub changed_silently: bool,
    /// A move committed although its offline lease had lapsed.
    pub committed_after_lapse: bool,
    /// A late write was deleted that nobody had seen.
    pub deleted_unseen: bool,
}

/// The whole world.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    /// The tenant's status.
    pub status: Status,
    /// The tenant's epoch.
    pub epoch: u8,
    /// Where the tenant is placed.
    pub placement: Location,
    /// The move that may change the placement.
    pub active_move: Option<usize>,
    /// The offline lease has run out by the database's clock.
    pub lapsed: bool,
    /// It had run out at any time in this offline period.
    pub had_lapsed: bool,
    /// The ledger.
    pub entries: [LedgerEntry; 2],
    /// The moves' rows.
    pub moves: Vec<Move>,
    /// The removals' rows.
    pub removals: Vec<Removal>,
    /// What the stores hold: the version of the tenant's only item.
    pub stores: [Option<u8>; 2],
    /// Where somebody has written late, to a location that the tenant had left, and nobody has seen it.
    pub unseen: [bool; 2],
    /// Late writes that are left.
    pub late_left: u8,
    /// A late write was found, accepted and deleted.
    pub late_accepted: bool,
    /// The last version that the client was told is written.
    pub acknowledged: u8,
    /// What the client believes.
    pub client: Option<Context>,
    /// The processes.
    pub processes: [Option<Job>; 2],
    /// The network, in order.
    pub requests: Vec<Request>,
    /// Take-overs, replays and doubled deliveries that are left.
    pub mishaps_left: u8,
    /// What went wrong.
    pub wrongs: Wrongs,
}

impl State {
    /// The tenant is at location 0 and has one item.
    pub(crate) fn first(mishaps: u8, late_writes: u8) -> Self {
        let entry = |state, generation| LedgerEntry { state, generation };
        Self {
            status: Status::Online,
            epoch: 1,
            placement: 0,
            active_move: None,
            lapsed: false,
            had_lapsed: false,
            entries: [entry(EntryState::Live, 1), entry(EntryState::Absent, 0)],
            moves: Vec::new(),
            removals: Vec::new(),
            stores: [Some(1), None],
            unseen: [false; 2],
            late_left: late_writes,
            late_accepted: false,
            acknowledged: 1,
            client: None,
            processes: [None, None],
            requests: Vec::new(),
            mishaps_left: mishaps,
            wrongs: Wrongs::default(),
        }
    }

    /// The fence stored in a workflow's row.
    pub(crate) fn fence(&mut self, work: Work) -> &mut u8 {
        match work {
            Work::Move(id) => &mut self.moves[id].fence,
            Work::Removal(id) => &mut self.removals[id].fence,
        }
    }

    /// Whether the workflow has ended, or waits for a person.
    pub(crate) fn is_at_rest(&self, work: Work) -> bool {
        match work {
            Work::Move(id) => !self.moves[id].is_active(),
            Work::Removal(id) => self.removals[id].done || self.removals[id].failed,
        }
    }

    /// Whether an earlier request could still change a location.
    pub(crate) fn is_awaited_at(&self, location: Location) -> bool {
        self.requests.iter().any(|request| request.to == location)
    }

    /// Puts a request on the network.
    pub(crate) fn send(&mut self, request: Request) {
        self.requests.push(request);
        self.requests.sort_unstable();
        self.requests.dedup();
    }

    /// The process works on something else now: nobody waits for its requests any more.
    pub(crate) fn abandon_requests(&mut self, process: usize) {
        for request in self.requests.iter_mut().filter(|request| request.by == Some(process)) {
            request.by = None;
        }
        self.requests.sort_unstable();
        self.requests.dedup();
    }
}

impl Move {
    /// Whether it has not ended.
    pub fn is_active(&self) -> bool {
        !matches!(self.stage, Stage::Completed | Stage::RolledBack)
    }

    /// Whether the tenant is offline for it and it has not committed.
    pub fn is_offline(&self) -> bool {
        matches!(self.stage, Stage::Drain | Stage::AddData | Stage::Verify | Stage::Commit | Stage::ReOnline)
    }
}
