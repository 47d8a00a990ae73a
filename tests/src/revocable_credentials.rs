//! Credentials that a process has as long as the test lets it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::UNIX_EPOCH;

use testkit::region;
use workers::provider::error::CredentialsError;
use workers::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use workers::{Credentials, CredentialsFrom, Movers};
use workflows::Deployment;

use crate::world::settings;

/// Gives the regions' credentials while it is not empty: such as have ended long ago, so that it is asked anew with every request,
/// whatever the clock. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct RevocableCredentials(Arc<AtomicBool>);

impl RevocableCredentials {
    /// From now on there are none.
    pub fn empty(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// There are some again.
    pub fn fill(&self) {
        self.0.store(false, Ordering::SeqCst);
    }

    /// The deployment of a process that has these credentials.
    pub fn of(&self, deployment: &Deployment) -> Deployment {
        let from = CredentialsFrom::Provider(SharedCredentialsProvider::new(self.clone()));
        Deployment { movers: Movers::new(from, settings(&deployment.timing)), ..deployment.clone() }
    }
}

impl ProvideCredentials for RevocableCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let full = region::credentials();
        let (id, secret) = (full.access_key_id(), full.secret_access_key());
        future::ProvideCredentials::ready(if self.0.load(Ordering::SeqCst) {
            Err(CredentialsError::not_loaded("the credentials were taken away"))
        } else {
            Ok(Credentials::new(id, secret, None, Some(UNIX_EPOCH), "credentials"))
        })
    }
}
