//! What only services with hooks are told. For a table or a bucket each of these has nothing to do.

use super::Movers;
use crate::error::WorkError;
use crate::heartbeat::Heartbeat;
use crate::hooks::Change;
use crate::ledger_permit::Permits;
use crate::place::Place;

impl Movers {
    /// Asks the service whether it can take part in a move, and where data is to be added whether it can count. Changes nothing.
    ///
    /// # Errors
    /// `hook_refused` with the service's reason, `hook_bad_answer`, or why it could not be asked.
    pub async fn schedule(
        &self,
        at: &Place,
        tenant: &str,
        change: Change,
        source: Option<&Place>,
    ) -> Result<(), WorkError> {
        let Some(service) = self.service(at, tenant)? else { return Ok(()) };
        let source = source.map(|source| self.service(source, tenant)).transpose()?.flatten();
        service.schedule(change, source.as_ref(), &Heartbeat::unheard()).await?;
        match change {
            Change::Add => service.can_count(&Heartbeat::unheard()).await,
            Change::Remove => Ok(()),
        }
    }

    /// Tells the service that what was added at the location is in use.
    ///
    /// # Errors
    /// Lost leases of `permits`, or why the service could not be told.
    pub async fn commit(&self, at: &Place, tenant: &str, permits: &Permits<'_>) -> Result<(), WorkError> {
        let Some(service) = self.service(at, tenant)? else { return Ok(()) };
        service.commit(permits, &Heartbeat::unheard()).await
    }

    /// Tells the service that what was being added at the location is not wanted any more.
    ///
    /// # Errors
    /// Lost leases of `permits`, or why the service could not be told.
    pub async fn roll_back(&self, at: &Place, tenant: &str, permits: &Permits<'_>) -> Result<(), WorkError> {
        let Some(service) = self.service(at, tenant)? else { return Ok(()) };
        service.give_up("rollback", permits, &Heartbeat::unheard()).await
    }

    /// Has the service prepare the location for a new tenant.
    ///
    /// # Errors
    /// Lost leases of `permits`, or why the service could not be told.
    pub async fn provision(&self, at: &Place, tenant: &str, permits: &Permits<'_>) -> Result<(), WorkError> {
        let Some(service) = self.service(at, tenant)? else { return Ok(()) };
        service.provision(permits, &Heartbeat::unheard()).await
    }
}
