//! Requests and answers on the wire, taken apart no further than needed: what is not looked at stays the bytes it was.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::model::{Kind, Reason};

/// A JSON object whose members are left as they are.
pub(super) type Raw<'a> = BTreeMap<String, &'a RawValue>;

/// Reads a member of an object.
pub(super) fn member<'a, T: Deserialize<'a>>(object: &Raw<'a>, name: &str) -> Option<T> {
    serde_json::from_str(object.get(name)?.get()).ok()
}

/// The object with some members replaced (`Some`) or left out (`None`).
pub(super) fn changed(object: &Raw<'_>, changes: &[(&str, Option<String>)]) -> Option<Vec<u8>> {
    let replaced: Vec<(&str, Option<Box<RawValue>>)> = changes
        .iter()
        .map(|(name, text)| Some((*name, text.clone().map(RawValue::from_string).transpose().ok()?)))
        .collect::<Option<_>>()?;
    let mut all: BTreeMap<&str, &RawValue> = object.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    for (name, value) in &replaced {
        match value {
            Some(value) => all.insert(name, value),
            None => all.remove(name),
        };
    }
    serde_json::to_vec(&all).ok()
}

/// What DynamoDB answers to a request of which nothing was done, with the reasons (API Reference, ProvisionedThroughputExceededException and
/// ThrottlingReason).
pub(super) fn refusal(region: &str, reasons: &[Reason]) -> String {
    json!({
        "__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
        "message": message(reasons),
        "ThrottlingReasons": reasons_json(region, reasons),
    })
    .to_string()
}

/// The same for a transaction: `refused` holds the reasons of each of its parts.
pub(super) fn cancelled(region: &str, refused: &[Vec<Reason>]) -> String {
    let code = |reasons: &[Reason]| if reasons.is_empty() { "None" } else { "ThrottlingError" };
    let codes: Vec<&str> = refused.iter().map(|reasons| code(reasons)).collect();
    let parts = refused.iter().map(|reasons| match reasons.is_empty() {
        true => json!({ "Code": "None" }),
        false => json!({ "Code": code(reasons), "Message": message(reasons) }),
    });
    let all: Vec<Reason> = refused.iter().flatten().cloned().collect();
    json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": format!("Transaction cancelled, please refer cancellation reasons for specific reasons [{}]", codes.join(", ")),
        "CancellationReasons": parts.collect::<Vec<_>>(),
        "ThrottlingReasons": reasons_json(region, &all),
    })
    .to_string()
}

fn message(reasons: &[Reason]) -> &'static str {
    if reasons.iter().any(|reason| reason.index.is_some()) {
        "The level of configured provisioned throughput for one or more global secondary indexes of the table was exceeded. \
         Consider increasing your provisioning level for the under-provisioned global secondary indexes with the UpdateTable API"
    } else {
        "The level of configured provisioned throughput for the table was exceeded. \
         Consider increasing your provisioning level with the UpdateTable API."
    }
}

fn reasons_json(region: &str, reasons: &[Reason]) -> Vec<serde_json::Value> {
    let mut said: Vec<serde_json::Value> = Vec::new();
    for Reason { table, index, kind, provisioned } in reasons {
        let resource = if index.is_some() { "Index" } else { "Table" };
        let operation = if *kind == Kind::Write { "Write" } else { "Read" };
        let limit = if *provisioned { "ProvisionedThroughputExceeded" } else { "KeyRangeThroughputExceeded" };
        let index = index.as_ref().map(|index| format!("/index/{index}")).unwrap_or_default();
        let arn = format!("arn:aws:dynamodb:{region}:000000000000:table/{table}{index}");
        let one = json!({ "reason": format!("{resource}{operation}{limit}"), "resource": arn });
        if !said.contains(&one) {
            said.push(one);
        }
    }
    said
}
