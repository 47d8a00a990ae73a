//! What a front is to hyper's server: whole request in, whole answer out.

use std::convert::Infallible;

use bytes::Bytes;
use futures::future::BoxFuture;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response};

use crate::fault_proxies::forward::{Reply, Whole, sent, whole};

/// What answers whole requests.
pub(crate) trait Front: Clone + Send + Sync + 'static {
    /// The answer, its own or that of what is behind.
    fn answer(&self, request: Whole) -> impl Future<Output = Reply> + Send;
}

/// A front as hyper calls it.
#[derive(Clone)]
pub(crate) struct Service<F>(pub(crate) F);

impl<F: Front> hyper::service::Service<Request<Incoming>> for Service<F> {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let front = self.0.clone();
        Box::pin(async move {
            Ok(match whole(request).await {
                Some(request) => sent(front.answer(request).await),
                None => Response::default(),
            })
        })
    }
}
