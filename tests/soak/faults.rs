//! The faults: a deck of them, shuffled by the seed, dealt one after another to processes that the seed chooses too.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use testkit::Error;
use tokio::task::JoinSet;

use crate::catalogue::Catalogue;
use crate::fleet::{Fleet, PROCESSES};
use crate::options::LEASE;
use crate::random::Random;
use crate::stage::Stage;

/// What may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// `kill -9` of a server or worker.
    Kill,
    /// SIGSTOP for longer than a lease, then SIGCONT.
    Pause,
    /// All connections of one process to the catalogue end.
    CutOne,
    /// All connections of all processes to the catalogue end.
    CutAll,
    /// For longer than a lease nothing passes between one process and the catalogue, and then its connections end.
    StallOne,
    /// The catalogue's server restarts as after a power cut.
    RestartPostgres,
    /// The catalogue's server is lost for good, and its synchronous standby promoted.
    LosePrimary,
    /// The disk of the catalogue's file is full for a while, and perhaps a process is killed meanwhile.
    FillDisk,
}

/// How often each comes in 200 when the catalogue is a file.
const SHARES_ON_A_FILE: [(Fault, usize); 3] = [(Fault::Kill, 60), (Fault::Pause, 50), (Fault::FillDisk, 90)];

/// How often each comes in 200 on Postgres.
const SHARES: [(Fault, usize); 7] = [
    (Fault::Kill, 62),
    (Fault::Pause, 50),
    (Fault::CutOne, 36),
    (Fault::CutAll, 20),
    (Fault::StallOne, 12),
    (Fault::RestartPostgres, 13),
    (Fault::LosePrimary, 7),
];

/// Between two faults, in milliseconds.
const PAUSE_MS: (u64, u64) = (600, 2_200);

/// Everything that can be struck.
pub(crate) struct Injector<'a> {
    pub(crate) stage: Arc<Stage>,
    pub(crate) fleet: &'a Fleet,
    catalogue: Catalogue,
    random: Random,
    /// What comes back by itself after a while.
    recovering: JoinSet<()>,
}

/// `count` faults in their shares, each kind at least once, in an order of the seed.
fn deck(count: usize, shares: &[(Fault, usize)], random: &mut Random) -> Vec<Fault> {
    let of_each = |&(fault, share): &(Fault, usize)| std::iter::repeat_n(fault, (share * count / 200).max(1));
    let mut deck: Vec<Fault> = shares.iter().flat_map(of_each).collect();
    while deck.len() < count {
        deck.push(Fault::Kill);
    }
    random.shuffle(&mut deck);
    deck
}

impl<'a> Injector<'a> {
    pub(crate) fn new(stage: Arc<Stage>, fleet: &'a Fleet, catalogue: Catalogue, seed: u64) -> Self {
        Self { stage, fleet, catalogue, random: Random::new(seed, "faults"), recovering: JoinSet::new() }
    }

    /// Injects them all, and waits until everything has recovered.
    pub(crate) async fn run(&mut self, count: usize) -> Result<(), Error> {
        let shares: &[_] = match self.catalogue {
            Catalogue::Postgres { .. } => &SHARES,
            Catalogue::Sqlite { .. } => &SHARES_ON_A_FILE,
        };
        for fault in deck(count, shares, &mut self.random) {
            tokio::time::sleep(self.random.between(PAUSE_MS.0, PAUSE_MS.1)).await;
            match fault {
                Fault::Kill => self.kill().await,
                Fault::Pause => self.pause().await,
                Fault::CutOne => self.cut_one(),
                Fault::CutAll => self.cut_all(),
                Fault::StallOne => self.stall_one().await,
                Fault::RestartPostgres => self.restart_postgres().await?,
                Fault::LosePrimary => self.lose_primary().await?,
                Fault::FillDisk => self.fill_disk().await?,
            }
        }
        while self.recovering.join_next().await.is_some() {}
        Ok(())
    }

    /// A process that is in order, if there is one that may be struck while another stays in order. Waits for one.
    async fn victim(&mut self) -> usize {
        loop {
            let up: Vec<usize> = (0..PROCESSES).filter(|number| self.stage.health.is_up(*number)).collect();
            if up.len() > 1 {
                return up[self.random.below(up.len())];
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn kill(&mut self) {
        let number = self.victim().await;
        let process = &self.fleet.processes[number];
        self.stage.health.process_is_away(number);
        self.stage.fault("kill", &process.name);
        if !process.signal(Signal::KILL) {
            self.stage.problem(format!("{} was not running when it was to be killed", process.name));
        }
    }

    async fn pause(&mut self) {
        let number = self.victim().await;
        let process = &self.fleet.processes[number];
        self.stage.health.process_is_away(number);
        self.stage.fault("pause", &process.name);
        if !process.signal(Signal::STOP) {
            self.stage.problem(format!("{} was not running when it was to be paused", process.name));
        }
        let (stage, process, length) = (Arc::clone(&self.stage), process.clone(), self.longer_than_a_lease());
        self.recovering.spawn(async move {
            tokio::time::sleep(length).await;
            process.signal(Signal::CONT);
            stage.event(&format!("{} goes on after {length:?}", process.name));
            stage.health.process_is_back(number);
        });
    }

    fn longer_than_a_lease(&mut self) -> Duration {
        LEASE + self.random.between(500, 6_000)
    }

    fn cut_one(&mut self) {
        let number = self.random.below(PROCESSES);
        let process = &self.fleet.processes[number];
        self.stage.fault("cut one", &process.name);
        process.proxy.cut();
    }

    fn cut_all(&self) {
        self.stage.fault("cut all", "");
        self.stage.health.catalogue_is_back();
        for process in &self.fleet.processes {
            process.proxy.cut();
        }
    }

    async fn stall_one(&mut self) {
        let number = self.victim().await;
        let process = &self.fleet.processes[number];
        let length = self.longer_than_a_lease();
        self.stage.health.process_is_away(number);
        self.stage.fault("stall one", &process.name);
        process.proxy.stall(true);
        let (stage, process) = (Arc::clone(&self.stage), process.clone());
        self.recovering.spawn(async move {
            tokio::time::sleep(length).await;
            process.proxy.cut();
            process.proxy.stall(false);
            stage.event(&format!("{} reaches the catalogue again after {length:?}", process.name));
            stage.health.process_is_back(number);
        });
    }

    async fn restart_postgres(&mut self) -> Result<(), Error> {
        let Catalogue::Postgres { pair, .. } = &mut self.catalogue else { return Ok(()) };
        self.stage.health.catalogue_is_away();
        self.stage.fault("restart postgres", "");
        pair.restart_primary().await?;
        self.stage.health.catalogue_is_back();
        Ok(())
    }

    async fn lose_primary(&mut self) -> Result<(), Error> {
        let Catalogue::Postgres { pair, pooler } = &mut self.catalogue else { return Ok(()) };
        self.stage.health.catalogue_is_away();
        self.stage.fault("lose primary", "");
        let in_front = pooler.as_ref();
        pair.lose_primary(|target| match in_front {
            Some(pooler) => pooler.lead(target),
            None => {
                for process in &self.fleet.processes {
                    process.proxy.set_target(target);
                    process.proxy.cut();
                }
            }
        })
        .await?;
        self.stage.health.catalogue_is_back();
        self.stage.event("the standby is the primary");
        pair.add_standby().await?;
        self.stage.event("a new standby has caught up");
        Ok(())
    }

    /// At nothing, or where the file or its log happens to end.
    async fn fill_disk(&mut self) -> Result<(), Error> {
        let Catalogue::Sqlite { file } = &self.catalogue else { return Ok(()) };
        let size = |suffix: &str| std::fs::metadata(format!("{}{suffix}", file.display())).map_or(0, |file| file.len());
        let limit = [0, size("-wal") / 2, size("-wal"), size("")][self.random.below(4)];
        self.stage.health.catalogue_is_away();
        self.stage.fault("fill disk", &format!("{limit} bytes"));
        self.fleet.processes.iter().try_for_each(|process| process.limit_files(Some(limit)))?;
        let (before, after) = (self.random.between(200, 3_000), self.random.between(200, 3_000));
        let felt = self.disk_is_felt_within(before).await;
        self.stage.count(if felt { "disk.felt" } else { "disk.not felt" });
        if self.random.below(3) == 0 {
            self.kill().await;
        }
        tokio::time::sleep(after).await;
        self.fleet.processes.iter().try_for_each(|process| process.limit_files(None))?;
        self.stage.event("there is room on the disk again");
        self.stage.health.catalogue_is_back();
        Ok(())
    }

    /// Waits so long, and says whether a server found meanwhile that it can't write.
    async fn disk_is_felt_within(&self, length: Duration) -> bool {
        let until = Instant::now() + length;
        let mut felt = false;
        while Instant::now() < until {
            felt = felt || self.stage.api.any_unready().await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        felt
    }
}
