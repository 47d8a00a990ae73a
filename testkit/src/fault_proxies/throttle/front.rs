//! Takes a request, has it decided by the model, and passes it on.

use std::sync::Arc;

use crate::fault_proxies::forward::{Reply, Whole, caller, operation};
use crate::fault_proxies::service::Front;
use crate::fault_proxies::throttle::model::Model;
use crate::fault_proxies::upstream::Behind;

/// The answer, or the request back when it has to be passed on as it is.
pub(super) type Answered = Result<Reply, Whole>;

#[derive(Clone)]
pub(super) struct ThrottleFront {
    pub(super) region: Arc<str>,
    pub(super) model: Arc<Model>,
    pub(super) behind: Behind,
}

impl Front for ThrottleFront {
    async fn answer(&self, request: Whole) -> Reply {
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
            _ => Err(request),
        };
        match answered {
            Ok(reply) => reply,
            Err(request) => self.behind.pass(request).await,
        }
    }
}
