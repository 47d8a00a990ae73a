//! How a throttled request is answered.

use serde_json::json;

use crate::fault_proxies::throttle::model::{Kind, Reason};

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
