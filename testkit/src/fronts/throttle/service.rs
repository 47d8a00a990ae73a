//! Takes a request, has it decided by the model, and passes it on.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use dynoxide::actions::batch_get_item::{BatchGetItemRequest, KeysAndAttributes};
use dynoxide::{Database, Item};
use futures::future::BoxFuture;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response};

use super::model::Model;
use super::schema::Schema;
use crate::fronts::forward::{Forward, Reply, Whole, caller, operation, sent, whole};

/// The answer, or the request back when it has to be passed on as it is.
pub(super) type Answered = Result<Reply, Whole>;

#[derive(Clone)]
pub(super) struct Service {
    pub(super) region: Arc<str>,
    pub(super) model: Arc<Model>,
    pub(super) forward: Forward,
    pub(super) database: Database,
    schemas: Arc<Mutex<HashMap<String, Arc<Schema>>>>,
}

impl Service {
    pub(super) fn new(region: &str, model: Arc<Model>, forward: Forward, database: Database) -> Self {
        Self { region: region.into(), model, forward, database, schemas: Arc::default() }
    }

    async fn handle(&self, request: Whole) -> Reply {
        let caller = caller(request.headers()).to_owned();
        let operation = operation(request.headers()).to_owned();
        let answered = match operation.as_str() {
            "BatchWriteItem" => self.write_batch(request, &caller).await,
            "PutItem" | "DeleteItem" | "UpdateItem" => self.write_one(&operation, request, &caller).await,
            "TransactWriteItems" => self.write_together(request, &caller).await,
            "BatchGetItem" => self.get_batch(request, &caller).await,
            "GetItem" => self.get_one(request, &caller).await,
            "TransactGetItems" => self.get_together(request, &caller).await,
            "Query" | "Scan" => self.read_page(request, &caller).await,
            "CreateTable" | "UpdateTable" | "DeleteTable" => {
                let reply = self.forward.pass(request).await;
                self.schemas.lock().unwrap_or_else(PoisonError::into_inner).clear();
                Ok(reply)
            }
            _ => Err(request),
        };
        match answered {
            Ok(reply) => reply,
            Err(request) => self.forward.pass(request).await,
        }
    }

    /// What the table is made of; `None` when there is none of this name.
    pub(super) fn schema(&self, table: &str) -> Option<Arc<Schema>> {
        let mut schemas = self.schemas.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = schemas.get(table) {
            return Some(known.clone());
        }
        let found = Arc::new(Schema::of(&self.database, table)?);
        schemas.insert(table.to_owned(), found.clone());
        Some(found)
    }

    /// The items with these keys, asked of the embedded database itself; `None` when it refuses.
    pub(super) fn look_up(&self, table: &str, keys: Vec<Item>) -> Option<Vec<Item>> {
        let keys = KeysAndAttributes { keys, consistent_read: Some(true), ..KeysAndAttributes::default() };
        let request = BatchGetItemRequest {
            request_items: HashMap::from([(table.to_owned(), keys)]),
            ..BatchGetItemRequest::default()
        };
        self.database.batch_get_item(request).ok()?.responses.remove(table)
    }
}

impl hyper::service::Service<Request<Incoming>> for Service {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move {
            Ok(match whole(request).await {
                Some(request) => sent(service.handle(request).await),
                None => Response::default(),
            })
        })
    }
}
