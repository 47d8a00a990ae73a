//! One bucket and prefix as the movers use it, opened from a [`Place`].

use std::sync::Arc;

use aws_sdk_s3::Client;

use super::budget::Budget;
use super::deleting::Forms;
use crate::clients::{Clients, Pair};
use crate::error::WorkError;
use crate::failure::Site;
use crate::place::Place;
use crate::s3::key_range::Share;
use crate::settings::Settings;

/// A bucket, the prefix under which everything belongs to the tenant, and the share of it.
pub(crate) struct Bucket {
    pub(super) reads: Client,
    pub(super) writes: Client,
    pub(super) site: Site,
    pub(super) endpoint: Option<String>,
    pub(super) name: String,
    pub(super) prefix: String,
    /// Which of the objects are worked on.
    pub(super) share: Share,
    /// What the process may hold of objects' contents.
    pub(super) budget: Arc<Budget>,
    pub(super) settings: Settings,
    /// How it takes requests to delete.
    pub(super) forms: Forms,
}

impl Bucket {
    /// Does not ask the store anything.
    ///
    /// # Errors
    /// `place_invalid` when the prefix does not end in `/`, or does not have the tenant as a whole path segment: under such
    /// a prefix could be other tenants' objects.
    pub(crate) async fn open(
        clients: &Clients,
        place: &Place,
        (region, endpoint): (&str, Option<&str>),
        (name, prefix, share): (&str, &str, Share),
        tenant: &str,
        settings: &Settings,
    ) -> Result<Self, WorkError> {
        if !prefix.ends_with('/') || !prefix.split('/').any(|segment| segment == tenant) {
            let message = format!("prefix `{prefix}` must end in `/` and have the tenant as one whole path segment");
            return Err(WorkError::permanent("place_invalid", message));
        }
        let Pair { reads, writes } = clients.s3(region, endpoint).await;
        Ok(Self {
            reads,
            writes,
            site: Site::of(place),
            endpoint: endpoint.map(str::to_owned),
            name: name.to_owned(),
            prefix: prefix.to_owned(),
            share,
            budget: clients.budget(),
            settings: settings.clone(),
            forms: Forms::default(),
        })
    }

    /// The whole key of a key relative to the prefix.
    pub(super) fn key(&self, relative: &str) -> String {
        format!("{}{relative}", self.prefix)
    }

    /// The key relative to the prefix.
    pub(super) fn relative<'k>(&self, key: &'k str) -> &'k str {
        key.strip_prefix(&self.prefix).unwrap_or(key)
    }
}
