//! One table as the movers use it, opened from a [`Place`], and one part of a tenant's data in it.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::time::Instant;

use super::Item;
use super::expiry::Expiry;
use super::pacing::Pacers;
use super::size::Sizes;
use crate::dynamodb::table_description_cache::{Described, DescriptionCache};
use crate::error::WorkError;
use crate::failure::Site;
use crate::heard_time::HeardTime;
use crate::inspection::{KeyAttribute, KeyRole, TableSchema};
use crate::place::Place;
use crate::settings::Settings;
use crate::tables::{AttributeValue, Expires, IndexFacts, Projection, TableApi, TableFacts, Tables};

/// An existing table whose index is ready.
pub(crate) struct Table {
    pub(super) api: Arc<dyn TableApi>,
    pub(super) site: Site,
    descriptions: Arc<DescriptionCache>,
    time: Arc<HeardTime>,
    /// How its items expire, if they do.
    expiry: Option<Expiry>,
    index: String,
    pub(super) index_key: String,
    pub(super) schema: TableSchema,
    /// Names of the table's and the index's key attributes: what an index query has to return to be continued.
    pub(super) index_attributes: Vec<String>,
    /// Names of all attributes that the index's entries hold; `None` when they hold all of an item.
    pub(super) index_holds: Option<Vec<String>>,
    /// The table's name.
    pub(super) name: String,
    /// What no other table has, if the store says it.
    pub(crate) id: Option<String>,
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

    /// All items under another value of the index key, which none of the tenant's parts has.
    pub(super) fn of_value(tenant: &str, value: String) -> Self {
        Self { tenant: tenant.to_owned(), value }
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
            .is_some_and(|n| n.parse::<u32>().is_ok_and(|number| number.to_string() == n))
    }
}

impl Table {
    /// What time it is by the catalogue's database.
    pub(super) fn now(&self) -> SystemTime {
        self.time.now()
    }

    /// Describes the table and makes sure that it can be worked with.
    ///
    /// # Errors
    /// `table_not_found`, `table_not_active`, `index_not_found`, `index_not_active`, `index_key_mismatch`, `index_sort_key`, or
    /// why the store could not be asked.
    pub(crate) async fn open(
        tables: &dyn Tables,
        place: &Place,
        (index, index_key): (&str, &str),
        settings: &Settings,
        (descriptions, part, described): (&Arc<DescriptionCache>, u32, Described),
        (time, ends): (&Arc<HeardTime>, Option<SystemTime>),
    ) -> Result<Self, WorkError> {
        let api = tables.open(place).await?;
        let site = Site::of(place);
        let facts = descriptions.facts(&*api, described, settings.attempts).await?;
        let found = complete_index(&site, &facts, index, index_key)?.clone();
        let expires_by = expires_by(&site, &facts)?;
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
            descriptions: Arc::clone(descriptions),
            time: Arc::clone(time),
            expiry: expires_by.map(|attribute| Expiry::new(attribute, ends, settings.skew)),
            index: index.to_owned(),
            index_key: index_key.to_owned(),
            name: name_of(place).to_owned(),
            id: facts.id,
            schema: facts.schema,
            index_attributes: names,
            index_holds,
            replicates_to: facts.replicas.into_iter().filter(|region| region != place.region()).collect(),
            settings: settings.clone(),
            pacers: descriptions.pacers(part),
            sizes: Sizes::default(),
        })
    }

    /// Makes sure that the index still lists every item that has its key, as it did when the table was opened: what was read
    /// from it in between is all there is. An index can be made anew, with another key, under the same name. And that items
    /// expire by the same rule, or none.
    ///
    /// # Errors
    /// As [`Table::open`], and `expiry_changed` (retryable).
    pub(crate) async fn check_still_complete(&self) -> Result<(), WorkError> {
        let described = Described::Since(Instant::now());
        let facts = self.descriptions.facts(&*self.api, described, self.settings.attempts).await?;
        complete_index(&self.site, &facts, &self.index, &self.index_key)?;
        if expires_by(&self.site, &facts)? == self.expires_by() {
            return Ok(());
        }
        let message =
            format!("the time to live of {} was changed while its items were read: they are read again", self.site);
        Err(WorkError::retryable("expiry_changed", message))
    }

    /// The attribute by whose time items expire by themselves, if they do.
    pub(crate) fn expires_by(&self) -> Option<&str> {
        self.expiry.as_ref().map(Expiry::attribute)
    }

    /// Whether the item is counted: it stays until the work ends, unless somebody deletes it.
    pub(super) fn is_lasting(&self, item: &Item) -> bool {
        self.expiry.as_ref().is_none_or(|expiry| expiry.is_lasting(item))
    }

    /// Whether the store deletes the item by itself at some time, by what it says; the same whatever the work.
    pub(super) fn can_expire(&self, item: &Item) -> bool {
        self.expiry.as_ref().is_some_and(|expiry| expiry.can_expire(item))
    }

    /// Whether the item has expired, and so counts as absent.
    pub(super) fn has_expired(&self, item: &Item) -> bool {
        self.expiry.as_ref().is_some_and(|expiry| expiry.has_expired(item, self.time.now()))
    }

    /// Whether the store may have deleted the item by itself by now.
    pub(super) fn may_be_gone(&self, item: &Item) -> bool {
        self.expiry.as_ref().is_some_and(|expiry| expiry.may_be_gone(item, self.time.now()))
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
        if self.expires_by() != other.expires_by() {
            let words = |table: &Self| match table.expires_by() {
                Some(attribute) => format!("{} expires items by `{attribute}`", table.site),
                None => format!("{} does not expire items", table.site),
            };
            let message = format!(
                "{}, and {}: items would be deleted at one and not at the other. Give both the same time to live",
                words(self),
                words(other)
            );
            return Err(WorkError::permanent("expiry_mismatch", message));
        }
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

fn name_of(place: &Place) -> &str {
    match place {
        Place::Dynamodb { table, .. } => table,
        Place::S3 { .. } | Place::Hooks { .. } => "",
    }
}

/// The attribute by which the table expires items.
fn expires_by<'a>(site: &Site, facts: &'a TableFacts) -> Result<Option<&'a str>, WorkError> {
    match &facts.expires {
        Expires::Never => Ok(None),
        Expires::By(attribute) => Ok(Some(attribute)),
        Expires::Changing(status) => {
            let message =
                format!("the time to live of {site} is {status}: wait until that is done, which takes up to an hour");
            Err(WorkError::retryable("expiry_changing", message))
        }
    }
}

/// The index, if it lists every item that has its key.
fn complete_index<'a>(
    site: &Site,
    facts: &'a TableFacts,
    name: &str,
    index_key: &str,
) -> Result<&'a IndexFacts, WorkError> {
    if !["ACTIVE", "UPDATING"].contains(&facts.status.as_str()) {
        let message = format!("{site} is {}: wait until it is ACTIVE", facts.status);
        return Err(WorkError::retryable("table_not_active", message));
    }
    let Some(index) = &facts.index else {
        let message = format!("{site} has no global secondary index `{name}`: create it, or correct the topology");
        return Err(WorkError::permanent("index_not_found", message));
    };
    check_keys(site, name, index_key, index, &facts.schema)?;
    // While its capacity is changed (UPDATING) an index is as complete as before.
    let status = if index.backfilling { "backfilling" } else { index.status.as_str() };
    if !["ACTIVE", "UPDATING"].contains(&status) {
        let message = format!("index `{name}` of {site} is {status}: wait until it is ACTIVE");
        return Err(WorkError::retryable("index_not_active", message));
    }
    Ok(index)
}

/// An index lists the items that have *all* attributes of its key. Every item has those of the table's own key; of the others
/// only the index key may be among them, by which an item says whose it is.
fn check_keys(
    site: &Site,
    name: &str,
    index_key: &str,
    index: &IndexFacts,
    table: &TableSchema,
) -> Result<(), WorkError> {
    let mut hashes = index.keys.iter().filter(|key| key.role == KeyRole::Hash);
    let hash = hashes.next();
    let hash_name = hash.map(|key| key.name.as_str()).unwrap_or_default();
    if hash_name != index_key || hashes.next().is_some() {
        let names: Vec<_> =
            index.keys.iter().filter(|key| key.role == KeyRole::Hash).map(|key| format!("`{}`", key.name)).collect();
        let message = format!(
            "index `{name}` of {site} has hash key {} and not `{index_key}`: correct the index or the topology",
            names.join(", ")
        );
        return Err(WorkError::permanent("index_key_mismatch", message));
    }
    if let Some(key) = hash.filter(|key| !matches!(key.kind.as_str(), "S" | "")) {
        let message = format!("index key `{index_key}` of {site} is of type {}, and must be a string", key.kind);
        return Err(WorkError::permanent("index_key_mismatch", message));
    }
    let is_of_table = |key: &KeyAttribute| table.keys.iter().any(|own| own.name == key.name);
    let hiding = index.keys.iter().find(|key| key.role == KeyRole::Range && !is_of_table(key));
    let Some(hiding) = hiding else { return Ok(()) };
    let message = format!(
        "index `{name}` of {site} has the sort key `{}`: items without that attribute are not in the index, and would be neither \
         copied nor removed. Make an index over `{index_key}` without a sort key, or with one that belongs to the table's own key, \
         and name it in the topology",
        hiding.name
    );
    Err(WorkError::permanent("index_sort_key", message))
}
