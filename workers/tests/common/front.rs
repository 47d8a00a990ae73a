//! An HTTP front before an embedded DynamoDB that behaves as badly as the real one may: it leaves parts of batches undone,
//! answers with empty pages, throttles, and lets its index lie.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// How the front misbehaves, and what it has seen.
#[derive(Default)]
pub(crate) struct Rules {
    /// Leave the second half of two in three write batches undone, and a batch of one every other time that it is asked for.
    pub(crate) split_writes: bool,
    /// Leave the second half of every read batch undone, and a batch of one every other time that it is asked for.
    pub(crate) split_reads: bool,
    /// An empty page before every real one.
    pub(crate) empty_pages: bool,
    /// Refuse every n-th write with a throttling error.
    pub(crate) throttle_every: Option<u64>,
    /// Leave everything undone, always.
    pub(crate) never_write: bool,
    /// Entries that the index lists besides the true ones, by index value.
    pub(crate) lies: HashMap<String, Vec<Value>>,
    /// Sort order values of `pk` that the index does not list before this many passes over it.
    pub(crate) late: Option<(String, u32)>,
    /// Operations whose next answer breaks off in its middle, once what was asked for is done.
    pub(crate) lose: Vec<&'static str>,
    /// What DescribeTable says otherwise than the store.
    pub(crate) description: Option<Value>,
    /// Answer DescribeTimeToLive as a store that has never heard of it.
    pub(crate) no_expiry: bool,
    /// Passes begun over the index.
    pub(crate) passes: u32,
    /// Put or delete requests let through.
    pub(crate) written: u64,
    /// BatchWriteItem calls seen.
    pub(crate) writes: u64,
    /// Batches of one that were left undone, and are done the next time.
    pub(crate) undone: HashSet<String>,
}

impl Rules {
    fn of_a_single(&mut self, asked: &Value) -> usize {
        let asked = asked.to_string();
        if self.undone.remove(&asked) {
            return 1;
        }
        self.undone.insert(asked);
        0
    }
}

pub(crate) struct Front {
    pub(crate) endpoint: String,
    pub(crate) rules: Arc<Mutex<Rules>>,
    _serving: JoinSet<()>,
}

#[derive(Clone)]
struct Behind {
    endpoint: String,
    rules: Arc<Mutex<Rules>>,
    client: Client<HttpConnector, Body>,
}

impl Front {
    pub(crate) async fn before(endpoint: &str, rules: Rules) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let rules = Arc::new(Mutex::new(rules));
        let client = Client::builder(TokioExecutor::new()).build_http();
        let behind = Behind { endpoint: endpoint.to_owned(), rules: Arc::clone(&rules), client };
        let app = axum::Router::new().fallback(handle).with_state(behind);
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { endpoint: format!("http://{address}"), rules, _serving: serving }
    }
}

async fn handle(State(behind): State<Behind>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body: Value = serde_json::from_slice(&to_bytes(body, usize::MAX).await.unwrap()).unwrap();
    let target = head.headers["x-amz-target"].to_str().unwrap().rsplit('.').next().unwrap().to_owned();
    if target == "DescribeTimeToLive" && behind.rules.lock().unwrap().no_expiry {
        return answer(400, &json!({ "__type": "com.amazon.coral.service#UnknownOperationException" }));
    }
    let (forward, undone) = match target.as_str() {
        "Query" => match query(&behind, body) {
            Ok(body) => (body, None),
            Err(empty) => return answer(200, &empty),
        },
        "BatchWriteItem" => match write(&behind, &body) {
            Ok((forward, undone)) => (forward, Some(("UnprocessedItems", undone))),
            Err(refusal) => return answer(400, &refusal),
        },
        "BatchGetItem" => {
            let (forward, undone) = read(&behind, body);
            (forward, Some(("UnprocessedKeys", undone)))
        }
        _ => (body, None),
    };
    let nothing_to_do = forward["RequestItems"].as_object().is_some_and(|tables| tables.is_empty());
    let (status, mut reply) = if nothing_to_do {
        (200, json!({}))
    } else {
        let value = forward["ExpressionAttributeValues"][":value"]["S"].as_str().map(str::to_owned);
        let (status, mut reply) = send(&behind, &head.headers, forward).await;
        if target == "Query" {
            falsify(&behind, &value.unwrap(), &mut reply);
        }
        if target == "DescribeTable" {
            let rules = behind.rules.lock().unwrap();
            for (name, value) in rules.description.iter().flat_map(|said| said.as_object().unwrap()) {
                reply["Table"][name] = value.clone();
            }
        }
        (status, reply)
    };
    if let Some((name, undone)) = undone {
        reply[name] = undone;
    }
    if target == "BatchGetItem" && reply.get("Responses").is_none() {
        reply["Responses"] = json!({});
    }
    if behind.loses(&target) { half(&reply) } else { answer(status, &reply) }
}

impl Behind {
    fn loses(&self, operation: &str) -> bool {
        let mut rules = self.rules.lock().unwrap();
        let before = rules.lose.len();
        rules.lose.retain(|lost| *lost != operation);
        rules.lose.len() < before
    }
}

async fn send(behind: &Behind, headers: &axum::http::HeaderMap, body: Value) -> (u16, Value) {
    let mut request = axum::http::Request::post(format!("{}/", behind.endpoint));
    for name in ["x-amz-target", "authorization", "x-amz-date", "content-type"] {
        request = request.header(name, &headers[name]);
    }
    let response = behind.client.request(request.body(Body::from(body.to_string())).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let bytes = to_bytes(Body::new(response.into_body()), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap())
}

fn answer(status: u16, body: &Value) -> Response {
    let status = axum::http::StatusCode::from_u16(status).unwrap();
    (status, [("content-type", "application/x-amz-json-1.0")], body.to_string()).into_response()
}

/// The first half of an answer, and then the end of the connection.
fn half(body: &Value) -> Response {
    let text = body.to_string();
    let half = [Ok(text[..text.len() / 2].to_owned()), Err("lost")];
    Response::new(Body::from_stream(futures::stream::iter::<[Result<String, &str>; 2]>(half)))
}

fn write(behind: &Behind, body: &Value) -> Result<(Value, Value), Value> {
    let mut rules = behind.rules.lock().unwrap();
    rules.writes += 1;
    if rules.throttle_every.is_some_and(|n| rules.writes.is_multiple_of(n)) {
        let kind = "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException";
        return Err(json!({ "__type": kind, "message": "slow down" }));
    }
    let (table, requests) = only_table(body);
    let requests = requests.as_array().unwrap();
    let keep = if rules.never_write {
        0
    } else if !rules.split_writes || rules.writes.is_multiple_of(3) {
        requests.len()
    } else if requests.len() == 1 {
        rules.of_a_single(&requests[0])
    } else {
        requests.len() / 2
    };
    rules.written += keep as u64;
    let (now, later) = requests.split_at(keep);
    Ok((json!({ "RequestItems": batch(&table, now) }), batch(&table, later)))
}

fn read(behind: &Behind, mut body: Value) -> (Value, Value) {
    let mut rules = behind.rules.lock().unwrap();
    let (table, request) = only_table(&body);
    let keys = request["Keys"].as_array().unwrap().clone();
    let keep = if !rules.split_reads {
        keys.len()
    } else if keys.len() == 1 {
        rules.of_a_single(&keys[0])
    } else {
        keys.len() / 2
    };
    let (now, later) = keys.split_at(keep);
    let mut undone = json!({});
    if !later.is_empty() {
        let mut rest = request.clone();
        rest["Keys"] = json!(later);
        undone[&table] = rest;
    }
    if now.is_empty() {
        body["RequestItems"] = json!({});
    } else {
        body["RequestItems"][&table]["Keys"] = json!(now);
    }
    (body, undone)
}

fn only_table(body: &Value) -> (String, Value) {
    let (table, content) = body["RequestItems"].as_object().unwrap().iter().next().unwrap();
    (table.clone(), content.clone())
}

fn batch(table: &str, requests: &[Value]) -> Value {
    if requests.is_empty() { json!({}) } else { json!({ table: requests }) }
}

/// The query to forward, or an empty page whose last key is marked.
fn query(behind: &Behind, mut body: Value) -> Result<Value, Value> {
    const MARK: &str = "empty";
    let mut rules = behind.rules.lock().unwrap();
    let start = body.get("ExclusiveStartKey").cloned();
    let marked = start.as_ref().is_some_and(|start| start.get(MARK).is_some());
    // A count lists nothing.
    if start.is_none() && body["Select"] != "COUNT" {
        rules.passes += 1;
    }
    if rules.empty_pages && !marked {
        let mut last = start.unwrap_or_else(|| json!({}));
        last[MARK] = json!({ "S": "page" });
        return Err(json!({ "Items": [], "Count": 0, "ScannedCount": 0, "LastEvaluatedKey": last }));
    }
    if marked {
        let start = body["ExclusiveStartKey"].as_object_mut().unwrap();
        start.remove(MARK);
        if start.is_empty() {
            body.as_object_mut().unwrap().remove("ExclusiveStartKey");
        }
    }
    Ok(body)
}

fn falsify(behind: &Behind, value: &str, reply: &mut Value) {
    let rules = behind.rules.lock().unwrap();
    let last_page = reply.get("LastEvaluatedKey").is_none();
    // A count lists none.
    let Some(items) = reply.get_mut("Items").and_then(Value::as_array_mut) else { return };
    if last_page {
        items.extend(rules.lies.get(value).cloned().unwrap_or_default());
    }
    if let Some((pk, passes)) = &rules.late
        && rules.passes < *passes
    {
        items.retain(|entry| entry["pk"]["S"] != pk.as_str());
    }
}
