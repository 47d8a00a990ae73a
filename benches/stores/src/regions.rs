//! Regions that are up, and measurements between them.

use std::marker::PhantomData;

use crate::job::{Addresses, Job, Measured, Side};
use crate::process::{Process, Role};
use crate::stores::Stores;
use crate::{Error, usage};

/// Two regions in a process of their own.
pub(crate) struct Regions<'a, S> {
    /// The arguments that make this binary run a part, given one more.
    part: &'a [String],
    pub(crate) addresses: Addresses,
    process: Process,
    stores: PhantomData<S>,
}

impl<'a, S: Stores> Regions<'a, S> {
    /// Starts them, and waits until the source is full.
    pub(crate) async fn start(part: &'a [String], stores: S) -> Result<Self, Error> {
        let mut process = Process::start(part, &Role::Regions(stores))?;
        let addresses = process.hears().await?;
        Ok(Self { part, addresses, process, stores: PhantomData })
    }

    /// Copies everything once, to an empty table or bucket; `all` is how many items or objects that has to be.
    pub(crate) async fn measure(&self, side: Side, target: &str, parts: u32, all: u64) -> Result<Measured, Error> {
        let job = Job { regions: self.addresses.clone(), target: target.to_owned(), parts };
        let before = usage::cpu_seconds(self.process.id())?;
        let mut measured: Measured = Process::start(self.part, &Role::<S>::Copy(side, job))?.hears().await?;
        measured.regions_cpu_seconds = usage::cpu_seconds(self.process.id())? - before;
        if measured.count == all {
            return Ok(measured);
        }
        Err(Error::Part(format!("{} of {all} were copied", measured.count)))
    }
}
