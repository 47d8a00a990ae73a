//! Takes a request, has it decided by the model, and passes it on.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response};

use super::model::Model;
use crate::fronts::forward::{Forward, Reply, Whole, caller, operation, sent, whole};
use crate::fronts::tables::Tables;

/// The answer, or the request back when it has to be passed on as it is.
pub(super) type Answered = Result<Reply, Whole>;

#[derive(Clone)]
pub(super) struct Service {
    pub(super) region: Arc<str>,
    pub(super) model: Arc<Model>,
    pub(super) forward: Forward,
    pub(super) tables: Tables,
}

impl Service {
    pub(super) fn new(region: &str, model: Arc<Model>, forward: Forward, tables: Tables) -> Self {
        Self { region: region.into(), model, forward, tables }
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
                self.tables.forget();
                Ok(reply)
            }
            _ => Err(request),
        };
        match answered {
            Ok(reply) => reply,
            Err(request) => self.forward.pass(request).await,
        }
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
