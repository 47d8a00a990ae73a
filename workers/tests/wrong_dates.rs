//! Whatever date a store, or something before it, tells: requests are signed by our own time, and go on once it is right again.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod common;

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use common::*;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use testkit::region::{dynamodb_client, s3_client};
use testkit::{Ports, Region, Storage, fixtures};
use workers::place::Place;

/// Where to, and the date that is told instead of the store's.
type Lie = (String, Arc<Mutex<Option<&'static str>>>);

async fn forward(State((to, date)): State<Lie>, mut request: Request) -> Response {
    *request.uri_mut() = format!("{to}{}", request.uri()).parse().unwrap();
    let client: Client<HttpConnector, Body> = Client::builder(TokioExecutor::new()).build_http();
    let mut answer = client.request(request).await.unwrap().map(Body::new);
    if let Some(date) = *date.lock().unwrap() {
        answer.headers_mut().insert("date", date.parse().unwrap());
    }
    answer
}

async fn lying(to: &str, date: &Arc<Mutex<Option<&'static str>>>) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(forward).with_state((to.trim_end_matches('/').to_owned(), Arc::clone(date)));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_date_is_not_what_requests_are_signed_with() {
    let region = Region::start("eu-west-1", Storage::Memory, Ports::Any).unwrap();
    fixtures::create_table(&dynamodb_client(&region), "issues", INDEX, INDEX_KEY).await.unwrap();
    fixtures::create_bucket(&s3_client(&region), "media").await.unwrap();
    let date = Arc::new(Mutex::new(None));
    let table = table_at("eu-west-1", &lying(region.dynamodb_endpoint(), &date).await, "issues", 1);
    let bucket = Place::S3 {
        region: "eu-west-1".to_owned(),
        endpoint: Some(lying(region.s3_endpoint(), &date).await),
        bucket: "media".to_owned(),
        prefix: "acme/".to_owned(),
        bounds: Vec::new(),
    };
    let movers = movers();
    for wrong in ["Fri, 31 Dec 9999 23:59:59 GMT", "Thu, 01 Jan 1970 00:00:00 GMT", "Tue, 01 Jan 2030 00:00:00 GMT"] {
        for place in [&table, &bucket] {
            for told in [None, Some(wrong), Some(wrong), None] {
                *date.lock().unwrap() = told;
                movers.inspect(place, "acme").await.unwrap_or_else(|error| panic!("{told:?}: {error:?}"));
            }
        }
    }
}
