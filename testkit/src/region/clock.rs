//! What time a server thinks it is: the machine's, or that beside a shift. Each answer tells it (`Date`), unless the server tells none.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use futures::future::BoxFuture;
use hyper::Response;
use hyper::header::{DATE, HeaderValue};

use aws_sdk_dynamodb::primitives::{DateTime, DateTimeFormat};

/// Shows no time.
const SILENT: i64 = i64::MIN;

/// Longer than any store accepts a request: then its clock does not matter, and it tells none.
const ANY_AGE: Duration = Duration::from_secs(365 * 24 * 3600);

/// The clock of a server that runs. Clones are the same clock.
#[derive(Debug, Clone, Default)]
pub struct ServerClock(Arc<AtomicI64>);

impl ServerClock {
    /// Of a server that accepts requests of this age.
    pub(crate) fn of_age(age: Duration) -> Self {
        Self(Arc::new(AtomicI64::new(if age > ANY_AGE { SILENT } else { 0 })))
    }

    /// Sets it so many milliseconds ahead of the machine's clock; behind, if less than 0.
    pub fn set_ahead(&self, by: i64) {
        self.0.store(by, Ordering::SeqCst);
    }

    pub(crate) fn now(&self) -> SystemTime {
        let shift = Duration::from_millis(self.shift().unsigned_abs());
        if self.shift() < 0 { SystemTime::now() - shift } else { SystemTime::now() + shift }
    }

    fn shift(&self) -> i64 {
        match self.0.load(Ordering::SeqCst) {
            SILENT => 0,
            shift => shift,
        }
    }

    /// What its answers tell.
    fn date(&self) -> Option<HeaderValue> {
        if self.0.load(Ordering::SeqCst) == SILENT {
            return None;
        }
        let date = DateTime::from_secs(DateTime::from(self.now()).secs()).fmt(DateTimeFormat::HttpDate);
        date.ok().and_then(|date| HeaderValue::from_str(&date).ok())
    }
}

/// A service whose answers tell the time of this clock.
#[derive(Clone)]
pub(super) struct Dated<S> {
    pub(super) service: S,
    pub(super) clock: ServerClock,
}

impl<S, B, R> hyper::service::Service<hyper::Request<R>> for Dated<S>
where
    S: hyper::service::Service<hyper::Request<R>, Response = Response<B>>,
    S::Future: Send + 'static,
    B: 'static,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<B>, S::Error>>;

    fn call(&self, request: hyper::Request<R>) -> Self::Future {
        let (answering, clock) = (self.service.call(request), self.clock.clone());
        Box::pin(async move {
            let mut answer = answering.await?;
            match clock.date() {
                Some(date) => drop(answer.headers_mut().insert(DATE, date)),
                None => drop(answer.headers_mut().remove(DATE)),
            }
            Ok(answer)
        })
    }
}
