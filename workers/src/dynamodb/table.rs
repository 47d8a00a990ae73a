//! One table as the movers use it, opened from a [`Place`], and one part of a tenant's data in it.

use std::sync::Arc;

use super::Item;
use super::pacing::Pacers;
use super::shared::{Described, Shared};
use super::size::Sizes;
use crate::error::WorkError;
use crate::failure::Site;
use crate::inspection::{KeyRole, TableSchema};
use crate::place::Place;
use crate::settings::Settings;
use crate::tables::{AttributeValue, IndexFacts, Projection, TableApi, Tables};

/// An existing table whose index is ready.
pub(crate) struct Table {
    pub(super) api: Arc<dyn TableApi>,
    pub(super) site: Site,
    pub(super) index_key: String,
    pub(super) schema: TableSchema,
    /// Names of the table's and the index's key attributes: what an index query has to return to be continued.
    pub(super) index_attributes: Vec<String>,
    /// Names of all attributes that the index's entries hold; `None` when they hold all of an item.
    pub(super) index_holds: Option<Vec<String>>,
    /// Regions other than its own that the table is replicated to natively.
    pub(crate) replicates_to: Vec<String>,
    pub(super) settings: Settings,
    pub(super) pacers: Pacers,
    pub(super) sizes: Sizes,
}

/// One part of a tenant's data: all items whose index key is `{tenant}#{n}`.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    tenant: String,
    value: String,
}

impl Part {
    pub(crate) fn new(tenant: &str, n: u32) -> Self {
        Self { tenant: tenant.to_owned(), value: format!("{tenant}#{n}") }
    }

    /// The index key's value.
    pub(super) fn value(&self) -> &str {
        &self.value
    }

    /// Whether an index key belongs to the tenant, in whatever part.
    pub(super) fn is_of_tenant(&self, index_key: Option<&AttributeValue>) -> bool {
        let Some(AttributeValue::S(text)) = index_key else { return false };
        text.strip_prefix(&self.tenant)
            .and_then(|rest| rest.strip_prefix('#'))
            .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    }
}

impl Table {
    /// Describes the table and makes sure that it can be worked with.
    ///
    /// # Errors
    /// `table_not_found`, `table_not_active`, `index_not_found`, `index_not_active`, `index_key_mismatch`, or why the store
    /// could not be asked.
    pub(crate) async fn open(
        tables: &dyn Tables,
        place: &Place,
        (index, index_key): (&str, &str),
        settings: &Settings,
        (shared, part, described): (&Shared, u32, Described),
    ) -> Result<Self, WorkError> {
        let api = tables.open(place).await?;
        let site = Site::of(place);
        let facts = shared.facts(&*api, described, settings.patience).await?;
        if !["ACTIVE", "UPDATING"].contains(&facts.status.as_str()) {
            let message = format!("{site} is {}: wait until it is ACTIVE", facts.status);
            return Err(WorkError::retryable("table_not_active", message));
        }
        let Some(found) = facts.index else {
            let message = format!("{site} has no global secondary index `{index}`: create it, or correct the topology");
            return Err(WorkError::permanent("index_not_found", message));
        };
        check_index(&site, index, index_key, &found)?;
        let mut names: Vec<_> = facts.schema.keys.iter().chain(&found.keys).map(|key| key.name.clone()).collect();
        names.sort_unstable();
        names.dedup();
        let index_holds = match found.projection {
            Projection::KeysOnly => Some(names.clone()),
            Projection::Include(more) => Some(names.iter().cloned().chain(more).collect()),
            Projection::All => None,
        };
        Ok(Self {
            api,
            site,
            index_key: index_key.to_owned(),
            schema: facts.schema,
            index_attributes: names,
            index_holds,
            replicates_to: facts.replicas.into_iter().filter(|region| region != place.region()).collect(),
            settings: settings.clone(),
            pacers: shared.pacers(part),
            sizes: Sizes::default(),
        })
    }

    /// Whether the item's own index key says that it belongs to `part`.
    pub(super) fn belongs(&self, item: &Item, part: &Part) -> bool {
        matches!(item.get(&self.index_key), Some(AttributeValue::S(text)) if text == part.value())
    }

    /// The primary key of an item or of an index entry.
    pub(super) fn key_of(&self, item: &Item) -> Result<Item, WorkError> {
        let key = self.schema.keys.iter().map(|key| {
            let value = item.get(&key.name).ok_or_else(|| self.without_key(&key.name))?;
            Ok((key.name.clone(), value.clone()))
        });
        key.collect()
    }

    /// The same of an index entry that is wanted for nothing else.
    pub(super) fn only_key(&self, mut entry: Item) -> Result<Item, WorkError> {
        let is_key = |name: &str| self.schema.keys.iter().any(|key| key.name == name);
        entry.retain(|name, _| is_key(name));
        match self.schema.keys.iter().find(|key| !entry.contains_key(&key.name)) {
            Some(missing) => Err(self.without_key(&missing.name)),
            None => Ok(entry),
        }
    }

    fn without_key(&self, name: &str) -> WorkError {
        WorkError::permanent("item_invalid", format!("{} returned an item without its key `{name}`", self.site))
    }

    /// Whether items can be copied from `self` to `other` as they are.
    pub(crate) fn check_same_shape(&self, other: &Self) -> Result<(), WorkError> {
        if self.schema == other.schema && self.index_key == other.index_key {
            return Ok(());
        }
        let message = format!(
            "{} and {} differ in key schema or index key: items cannot be copied from one to the other",
            self.site, other.site
        );
        Err(WorkError::permanent("schema_mismatch", message))
    }
}

fn check_index(site: &Site, name: &str, index_key: &str, index: &IndexFacts) -> Result<(), WorkError> {
    if index.status != "ACTIVE" {
        let message = format!("index `{name}` of {site} is {}: wait until it is ACTIVE", index.status);
        return Err(WorkError::retryable("index_not_active", message));
    }
    let hash = index.keys.iter().find(|key| key.role == KeyRole::Hash);
    let hash_name = hash.map(|key| key.name.as_str()).unwrap_or_default();
    if hash_name != index_key {
        let message = format!(
            "index `{name}` of {site} has hash key `{hash_name}` and not `{index_key}`: correct the index or the topology"
        );
        return Err(WorkError::permanent("index_key_mismatch", message));
    }
    if let Some(key) = hash.filter(|key| !matches!(key.kind.as_str(), "S" | "")) {
        let message = format!("index key `{index_key}` of {site} is of type {}, and must be a string", key.kind);
        return Err(WorkError::permanent("index_key_mismatch", message));
    }
    Ok(())
}
