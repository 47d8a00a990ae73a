//! Asks one of them as fast as it answers, and takes the time of each answer.

use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt, stream};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde::Serialize;
use serde_json::json;

use crate::requests::tenant;
use crate::stage::{Stage, Subject};
use crate::{Error, median};

/// Items of a list.
const PAGE: usize = 100;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    ShowTenant,
    ListTenants,
    ListMoves,
    CreateTenant,
}

/// How it was answered.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Load {
    /// Answers a second.
    pub rate: f64,
    /// Half of the answers came within this many milliseconds.
    pub p50_ms: f64,
    /// 99 of 100 did.
    pub p99_ms: f64,
}

impl Load {
    /// The median of each figure.
    pub(crate) fn median(all: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| median(all.iter().map(figure).collect());
        Self { rate: of(|load| load.rate), p50_ms: of(|load| load.p50_ms), p99_ms: of(|load| load.p99_ms) }
    }
}

impl Operation {
    pub(crate) const ALL: [Self; 4] = [Self::ShowTenant, Self::ListTenants, Self::ListMoves, Self::CreateTenant];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ShowTenant => "show a tenant",
            Self::ListTenants => "list 100 tenants",
            Self::ListMoves => "list 100 moves",
            Self::CreateTenant => "create a tenant",
        }
    }

    fn request(self, http: &Client, stage: &Stage, subject: &Subject, number: usize) -> RequestBuilder {
        let at = &subject.address;
        let request = match self {
            Self::ShowTenant => {
                // Spread over all of them, in no order that a cache could guess.
                let number = number.wrapping_mul(7_919) % stage.tenants;
                http.get(format!("{at}/v1/tenants/{}", tenant(number)))
            }
            Self::ListTenants => http.get(format!("{at}/v1/tenants?limit={PAGE}")),
            Self::ListMoves => http.get(format!("{at}/v1/moves?limit={PAGE}")),
            Self::CreateTenant => {
                let id = format!("new-{}", stage.next_new());
                let body = json!({ "id": id, "host": format!("{id}.example"), "realm": "us" });
                http.post(format!("{at}/v1/tenants")).json(&body)
            }
        };
        match &subject.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    fn expects(self) -> StatusCode {
        if self == Self::CreateTenant { StatusCode::CREATED } else { StatusCode::OK }
    }
}

/// Asks so often, with up to `at_once` requests at the same time.
pub(crate) async fn run(
    stage: &Stage,
    subject: &Subject,
    operation: Operation,
    at_once: usize,
    requests: usize,
) -> Result<Load, Error> {
    let http = Client::builder().no_proxy().build().map_err(|error| Error::part(&error))?;
    // The connections are made before the time is taken.
    for _ in 0..at_once {
        ask(&http, stage, subject, operation, 0).await?;
    }
    let begun = Instant::now();
    let asked = stream::iter(0..requests).map(|number| ask(&http, stage, subject, operation, number));
    let mut times: Vec<Duration> = asked.buffer_unordered(at_once).try_collect().await?;
    let took = begun.elapsed();
    times.sort_unstable();
    let at = |percent: usize| {
        let place = (times.len() * percent).div_ceil(100).saturating_sub(1);
        times.get(place).map_or(0.0, |time| time.as_secs_f64() * 1_000.0)
    };
    Ok(Load { rate: times.len() as f64 / took.as_secs_f64(), p50_ms: at(50), p99_ms: at(99) })
}

async fn ask(
    http: &Client,
    stage: &Stage,
    subject: &Subject,
    operation: Operation,
    number: usize,
) -> Result<Duration, Error> {
    let request = operation.request(http, stage, subject, number);
    let begun = Instant::now();
    let answer = request.send().await.map_err(|error| Error::part(&error))?;
    let status = answer.status();
    let body = answer.bytes().await.map_err(|error| Error::part(&error))?;
    if status != operation.expects() {
        return Err(Error::Part(format!("{} answered {status}: {}", operation.name(), String::from_utf8_lossy(&body))));
    }
    Ok(begun.elapsed())
}
