//! One table as the movers use it, opened from a [`Place`], and one part of a tenant's data in it.

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, IndexStatus, TableDescription, TableStatus};

use super::Item;
use super::pacing::Pacer;
use crate::clients::{Clients, Pair};
use crate::error::WorkError;
use crate::failure::Site;
use crate::inspection::{KeyAttribute, KeyRole, TableSchema};
use crate::place::Place;
use crate::settings::Settings;

/// The shares of a place that name a table.
pub(crate) struct Address<'a> {
    pub(crate) region: &'a str,
    pub(crate) endpoint: Option<&'a str>,
    pub(crate) table: &'a str,
    pub(crate) index: &'a str,
    pub(crate) index_key: &'a str,
}

/// An existing table whose index is ready.
pub(crate) struct Table {
    pub(super) reads: Client,
    pub(super) writes: Client,
    pub(super) site: Site,
    pub(super) name: String,
    pub(super) index: String,
    pub(super) index_key: String,
    pub(super) schema: TableSchema,
    /// Names of the table's and the index's key attributes: what an index query has to return to be continued.
    pub(super) index_attributes: Vec<String>,
    /// Regions other than its own that the table is replicated to natively.
    pub(super) replicates_to: Vec<String>,
    pub(super) settings: Settings,
    pub(super) pacer: Arc<Pacer>,
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
        clients: &Clients,
        place: &Place,
        address: &Address<'_>,
        settings: &Settings,
        pacer: Arc<Pacer>,
    ) -> Result<Self, WorkError> {
        let Pair { reads, writes } = clients.dynamodb(address.region, address.endpoint).await;
        let site = Site::of(place);
        let described = reads.describe_table().table_name(address.table).send().await;
        let described = described.map_err(|error| site.failed("describe", error))?.table;
        let described = described.ok_or_else(|| {
            WorkError::retryable("store_error", format!("{site} was described without any description"))
        })?;
        if !matches!(described.table_status, Some(TableStatus::Active | TableStatus::Updating)) {
            let message = format!("{site} is {}: wait until it is ACTIVE", status(described.table_status.as_ref()));
            return Err(WorkError::retryable("table_not_active", message));
        }
        let mut table = Self {
            reads,
            writes,
            site,
            name: address.table.to_owned(),
            index: address.index.to_owned(),
            index_key: address.index_key.to_owned(),
            schema: schema(&described),
            index_attributes: Vec::new(),
            replicates_to: replicas(&described, address.region),
            settings: settings.clone(),
            pacer,
        };
        table.check_index(&described)?;
        Ok(table)
    }

    fn check_index(&mut self, described: &TableDescription) -> Result<(), WorkError> {
        let (site, name) = (&self.site, &self.index);
        let Some(index) = described.global_secondary_indexes().iter().find(|index| index.index_name() == Some(name))
        else {
            let message = format!("{site} has no global secondary index `{name}`: create it, or correct the topology");
            return Err(WorkError::permanent("index_not_found", message));
        };
        if index.index_status != Some(IndexStatus::Active) {
            let message =
                format!("index `{name}` of {site} is {}: wait until it is ACTIVE", status(index.index_status.as_ref()));
            return Err(WorkError::retryable("index_not_active", message));
        }
        let keys = index.key_schema();
        let hash = keys.iter().find(|key| key.key_type.as_str() == "HASH").map(|key| key.attribute_name());
        if hash != Some(self.index_key.as_str()) {
            let message = format!(
                "index `{name}` of {site} has hash key `{}` and not `{}`: correct the index or the topology",
                hash.unwrap_or_default(),
                self.index_key
            );
            return Err(WorkError::permanent("index_key_mismatch", message));
        }
        let kind = described.attribute_definitions().iter().find(|d| d.attribute_name() == self.index_key);
        if let Some(kind) = kind.filter(|kind| kind.attribute_type.as_str() != "S") {
            let message = format!(
                "index key `{}` of {site} is of type {}, and must be a string",
                self.index_key, kind.attribute_type
            );
            return Err(WorkError::permanent("index_key_mismatch", message));
        }
        let mut names: Vec<_> = self.schema.keys.iter().map(|key| key.name.clone()).collect();
        names.extend(keys.iter().map(|key| key.attribute_name().to_owned()));
        names.sort_unstable();
        names.dedup();
        self.index_attributes = names;
        Ok(())
    }

    /// Whether the item's own index key says that it belongs to `part`.
    pub(super) fn belongs(&self, item: &Item, part: &Part) -> bool {
        matches!(item.get(&self.index_key), Some(AttributeValue::S(text)) if text == part.value())
    }

    /// The primary key of an item or of an index entry.
    pub(super) fn key_of(&self, item: &Item) -> Result<Item, WorkError> {
        let key = self.schema.keys.iter().map(|key| {
            let value = item.get(&key.name).ok_or_else(|| {
                WorkError::permanent(
                    "item_invalid",
                    format!("{} returned an item without its key `{}`", self.site, key.name),
                )
            })?;
            Ok((key.name.clone(), value.clone()))
        });
        key.collect()
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

fn schema(described: &TableDescription) -> TableSchema {
    let kinds = described.attribute_definitions();
    let key = |element: &aws_sdk_dynamodb::types::KeySchemaElement| {
        let name = element.attribute_name().to_owned();
        let kind = kinds.iter().find(|kind| kind.attribute_name() == name);
        let kind = kind.map(|kind| kind.attribute_type.as_str().to_owned()).unwrap_or_default();
        let role = if element.key_type.as_str() == "HASH" { KeyRole::Hash } else { KeyRole::Range };
        KeyAttribute { name, kind, role }
    };
    TableSchema { keys: described.key_schema().iter().map(key).collect() }
}

fn replicas(described: &TableDescription, own: &str) -> Vec<String> {
    let names = described.replicas().iter().filter_map(|replica| replica.region_name());
    names.filter(|name| *name != own).map(str::to_owned).collect()
}

fn status<S: AsRef<str>>(status: Option<&S>) -> &str {
    status.map_or("in an unknown state", S::as_ref)
}
