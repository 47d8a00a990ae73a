//! All kinds of work, for a runner.

use engine::{PauseSweep, Registry};

use crate::audit_seal::SealSweep;
use crate::campaign::Campaign;
use crate::capacity::RoomSweep;
use crate::data_tasks::{CompareTask, CopyTask, RemoveTask, VerifyTask};
use crate::deployment::Deployment;
use crate::host_fitness::HostFitness;
use crate::provision::Provision;
use crate::realm_move::{LapseSweep, RealmMove};
use crate::removal::{Recheck, Removal};
use crate::unit_limits::ShareSweep;

/// Every workflow, task handler and sweep, and what tells whether this process is fit for them. Simulated tables need nothing of a host.
pub fn registry(deployment: &Deployment) -> Registry {
    let of = || deployment.clone();
    let kinds = Registry::default()
        .workflow(RealmMove::new(of()))
        .workflow(Removal::new(of()))
        .workflow(Campaign::new(of()))
        .workflow(Recheck::new(of()))
        .workflow(Provision::new(of()))
        .task(CopyTask::new(of()))
        .task(VerifyTask::new(of()))
        .task(CompareTask::new(of()))
        .task(RemoveTask::new(of()))
        .sweep(LapseSweep::new(of()))
        .sweep(PauseSweep::new(deployment.store.clone()))
        .sweep(ShareSweep::new(of()))
        .sweep(RoomSweep::new(of()))
        .sweep(SealSweep::new(of()));
    if deployment.movers.reach_stores() { kinds.fitness(HostFitness::new(of())) } else { kinds }
}
