//! A table behind the AWS SDK: requests and answers translated, errors mapped, nothing decided.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::batch_write_item::BatchWriteItemError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, DeleteRequest, KeySchemaElement, KeysAndAttributes, Projection as SdkProjection,
    ProjectionType, PutRequest, Select, TimeToLiveStatus, WriteRequest,
};

use crate::clients::{Clients, Pair};
use crate::error::WorkError;
use crate::failure::Site;
use crate::inspection::{KeyAttribute, KeyRole, TableSchema};
use crate::place::Place;
use crate::request_timestamp;
use crate::tables::{
    AttributeValue, Change, Counted, Expires, Got, IndexFacts, Item, Page, Projection, Query, TableApi, TableFacts,
    Tables,
};

#[async_trait]
impl Tables for Clients {
    async fn open(&self, place: &Place) -> Result<Arc<dyn TableApi>, WorkError> {
        let Place::Dynamodb { region, endpoint, table, index, index_key, .. } = place else {
            return Err(WorkError::permanent("place_invalid", format!("{} is no table", Site::of(place))));
        };
        Ok(Arc::new(SdkTable {
            clients: self.dynamodb(region, endpoint.as_deref()).await,
            site: Site::of(place),
            name: table.clone(),
            index: index.clone(),
            index_key: index_key.clone(),
        }))
    }
}

struct SdkTable {
    clients: Pair<Client>,
    site: Site,
    name: String,
    index: String,
    index_key: String,
}

#[async_trait]
impl TableApi for SdkTable {
    async fn describe(&self) -> Result<TableFacts, WorkError> {
        let described = self.clients.reads.describe_table().table_name(&self.name).send();
        let (described, expires) = tokio::join!(described, self.expires());
        let described = described.map_err(|error| self.site.failed("describe", error))?.table.ok_or_else(|| {
            WorkError::retryable("store_error", format!("{} was described without any description", self.site))
        })?;
        let kinds = described.attribute_definitions();
        let index = described.global_secondary_indexes().iter().find(|index| index.index_name() == Some(&self.index));
        Ok(TableFacts {
            id: described.table_id().filter(|id| !id.is_empty()).map(str::to_owned),
            status: status(described.table_status.as_ref()),
            schema: TableSchema { keys: keys(described.key_schema(), kinds) },
            index: index.map(|index| IndexFacts {
                status: status(index.index_status.as_ref()),
                backfilling: index.backfilling.unwrap_or(false),
                keys: keys(index.key_schema(), kinds),
                projection: projection(index.projection()),
            }),
            expires: expires?,
            replicas: described.replicas().iter().filter_map(|replica| replica.region_name.clone()).collect(),
        })
    }

    async fn query(&self, query: Query<'_>) -> Result<Page, WorkError> {
        let mut request = self
            .clients
            .reads
            .query()
            .table_name(&self.name)
            .index_name(&self.index)
            .key_condition_expression("#index = :value")
            .expression_attribute_names("#index", &self.index_key)
            .expression_attribute_values(":value", AttributeValue::S(query.value.to_owned()))
            .limit(query.limit);
        let mut projection = Vec::with_capacity(query.attributes.len());
        for (n, name) in query.attributes.iter().enumerate() {
            let placeholder = if *name == self.index_key { "#index".to_owned() } else { format!("#key{n}") };
            if *name != self.index_key {
                request = request.expression_attribute_names(&placeholder, name);
            }
            projection.push(placeholder);
        }
        let request = request.projection_expression(projection.join(", ")).set_exclusive_start_key(query.start);
        let page = request.send().await.map_err(|error| self.site.failed("query an index of", error))?;
        Ok(Page { entries: page.items.unwrap_or_default(), last: place_after(page.last_evaluated_key) })
    }

    async fn count(&self, value: &str, start: Option<Item>) -> Result<Counted, WorkError> {
        let request = self
            .clients
            .reads
            .query()
            .table_name(&self.name)
            .index_name(&self.index)
            .select(Select::Count)
            .key_condition_expression("#index = :value")
            .expression_attribute_names("#index", &self.index_key)
            .expression_attribute_values(":value", AttributeValue::S(value.to_owned()))
            .set_exclusive_start_key(start);
        let page = request.send().await.map_err(|error| self.site.failed("count the items of", error))?;
        Ok(Counted { entries: page.count.unsigned_abs().into(), last: place_after(page.last_evaluated_key) })
    }

    async fn batch_get(&self, keys: Vec<Item>, attributes: Option<&[String]>) -> Result<Got, WorkError> {
        let mut wanted = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true);
        if let Some(names) = attributes {
            for (n, name) in names.iter().enumerate() {
                wanted = wanted.expression_attribute_names(format!("#a{n}"), name.as_str());
            }
            let projection: Vec<_> = (0..names.len()).map(|n| format!("#a{n}")).collect();
            wanted = wanted.projection_expression(projection.join(", "));
        }
        let wanted = wanted.build().map_err(unbuilt)?;
        let request = self.clients.reads.batch_get_item().request_items(&self.name, wanted);
        let answer = request.send().await.map_err(|error| self.site.failed("read items of", error))?;
        let unread = answer.unprocessed_keys.unwrap_or_default().into_values().flat_map(|left| left.keys).collect();
        Ok(Got { items: flat(answer.responses), unread })
    }

    async fn batch_write(&self, changes: Vec<Change>, signed_at: SystemTime) -> Result<Vec<Change>, WorkError> {
        let doing = if changes.iter().any(|change| matches!(change, Change::Put(_))) {
            "write items to"
        } else {
            "delete items from"
        };
        let requests = changes.into_iter().map(request_for).collect::<Result<Vec<_>, _>>().map_err(unbuilt)?;
        let request = self.clients.writes.batch_write_item().request_items(&self.name, requests);
        let request = request.customize().config_override(request_timestamp::dynamodb(signed_at));
        let answer = request.send().await.map_err(|error| self.site.failed(doing, error))?;
        flat(answer.unprocessed_items).into_iter().map(|undone| self.change_in(undone)).collect()
    }
}

/// Whether a write was throttled by what the table takes and not by what its index takes, if the store says so.
pub(super) fn is_by_table(error: &WorkError) -> bool {
    type Failed = SdkError<BatchWriteItemError, HttpResponse>;
    let failed = error.source.as_ref().and_then(|source| source.downcast_ref::<Failed>());
    let reasons = match failed.and_then(SdkError::as_service_error) {
        Some(BatchWriteItemError::ProvisionedThroughputExceededException(said)) => said.throttling_reasons(),
        Some(BatchWriteItemError::RequestLimitExceeded(said)) => said.throttling_reasons(),
        Some(BatchWriteItemError::ThrottlingException(said)) => said.throttling_reasons(),
        _ => &[],
    };
    let mut named = reasons.iter().filter_map(|reason| reason.reason()).peekable();
    named.peek().is_some() && named.all(|reason| reason.starts_with("Table"))
}

impl SdkTable {
    /// A store that does not know the operation has no items that expire.
    async fn expires(&self) -> Result<Expires, WorkError> {
        let said = match self.clients.reads.describe_time_to_live().table_name(&self.name).send().await {
            Ok(answer) => answer.time_to_live_description,
            Err(error) if error.code() == Some("UnknownOperationException") => {
                tracing::debug!(table = %self.site, "the store knows no time to live: its items never expire");
                return Ok(Expires::Never);
            }
            Err(error) => return Err(self.site.failed("describe the time to live of", error)),
        };
        let Some(said) = said else { return Ok(Expires::Never) };
        Ok(match (said.time_to_live_status, said.attribute_name) {
            (None | Some(TimeToLiveStatus::Disabled), _) => Expires::Never,
            (Some(TimeToLiveStatus::Enabled), Some(attribute)) => Expires::By(attribute),
            (Some(status), _) => Expires::Changing(status.as_str().to_owned()),
        })
    }

    fn change_in(&self, request: WriteRequest) -> Result<Change, WorkError> {
        match (request.put_request, request.delete_request) {
            (Some(put), None) => Ok(Change::Put(put.item)),
            (None, Some(delete)) => Ok(Change::Delete(delete.key)),
            _ => {
                let message = format!("{} left a change undone that is neither a put nor a delete", self.site);
                Err(WorkError::retryable("store_error", message))
            }
        }
    }
}

fn request_for(change: Change) -> Result<WriteRequest, BuildError> {
    Ok(match change {
        Change::Put(item) => {
            WriteRequest::builder().put_request(PutRequest::builder().set_item(Some(item)).build()?).build()
        }
        Change::Delete(key) => {
            WriteRequest::builder().delete_request(DeleteRequest::builder().set_key(Some(key)).build()?).build()
        }
    })
}

fn unbuilt(error: BuildError) -> WorkError {
    WorkError::permanent("store_error", "a request for items could not be built").because(error)
}

/// Requests name one table, and so do their answers.
fn flat<T>(by_table: Option<HashMap<String, Vec<T>>>) -> Vec<T> {
    by_table.unwrap_or_default().into_values().flatten().collect()
}

fn place_after(last: Option<Item>) -> Option<Item> {
    last.filter(|key| !key.is_empty())
}

fn keys(elements: &[KeySchemaElement], kinds: &[AttributeDefinition]) -> Vec<KeyAttribute> {
    let key = |element: &KeySchemaElement| {
        let name = element.attribute_name().to_owned();
        let kind = kinds.iter().find(|kind| kind.attribute_name() == name);
        let kind = kind.map(|kind| kind.attribute_type.as_str().to_owned()).unwrap_or_default();
        let role = if element.key_type.as_str() == "HASH" { KeyRole::Hash } else { KeyRole::Range };
        KeyAttribute { name, kind, role }
    };
    elements.iter().map(key).collect()
}

/// What is not said is taken for the most.
fn projection(said: Option<&SdkProjection>) -> Projection {
    match said.and_then(SdkProjection::projection_type) {
        Some(ProjectionType::KeysOnly) => Projection::KeysOnly,
        Some(ProjectionType::Include) => {
            Projection::Include(said.map(|said| said.non_key_attributes().to_vec()).unwrap_or_default())
        }
        _ => Projection::All,
    }
}

fn status<S: AsRef<str>>(status: Option<&S>) -> String {
    status.map_or("in an unknown state", S::as_ref).to_owned()
}
