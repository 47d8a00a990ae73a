//! Finds out which partition a Query asks for.

use std::collections::BTreeMap;

use dynoxide::Item;

use crate::fault_proxies::schema::value;
use crate::fault_proxies::wire::{Raw, member};

/// The values a Query demands of these attributes, as one text; `None` when it demands none of some of them.
pub(crate) fn hash_values(query: &Raw<'_>, attributes: &[String]) -> Option<String> {
    let expression: String = member(query, "KeyConditionExpression")?;
    let names: BTreeMap<String, String> = member(query, "ExpressionAttributeNames").unwrap_or_default();
    let values: Item = member(query, "ExpressionAttributeValues")?;
    let words = words(&expression);
    let demanded = |attribute: &String| {
        let is_it = |word: &str| names.get(word).map_or(word, String::as_str) == attribute;
        words.windows(3).filter(|three| three[1] == "=").find_map(|three| {
            let placeholder = if is_it(three[0]) { three[2] } else { Some(three[0]).filter(|_| is_it(three[2]))? };
            value(values.get(placeholder)?)
        })
    };
    let all: Option<Vec<String>> = attributes.iter().map(demanded).collect();
    all.map(|all| all.join("\u{1f}"))
}

/// Names, placeholders and comparisons, without parentheses.
fn words(expression: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut begun = None;
    for (at, letter) in expression.char_indices() {
        let ends = letter.is_whitespace() || "()=<>,".contains(letter);
        match (ends, begun) {
            (false, None) => begun = Some(at),
            (true, Some(from)) => {
                words.push(&expression[from..at]);
                begun = None;
            }
            _ => {}
        }
        if "=<>".contains(letter) {
            words.push(&expression[at..=at]);
        }
    }
    words.extend(begun.map(|from| &expression[from..]));
    words
}

#[cfg(test)]
mod tests {
    use crate::fault_proxies::expression::*;

    fn asks(expression: &str) -> Option<String> {
        let query = serde_json::json!({
            "KeyConditionExpression": expression,
            "ExpressionAttributeNames": { "#k": "tenant_shard" },
            "ExpressionAttributeValues": { ":v": { "S": "acme#0" }, ":w": { "S": "other" } },
        });
        let text = query.to_string();
        let object: Raw<'_> = serde_json::from_str(&text).unwrap();
        hash_values(&object, &["tenant_shard".to_owned()])
    }

    #[test]
    fn the_partition_of_a_query_is_found_however_it_is_written() {
        let found = ["#k = :v", "tenant_shard=:v", "(#k = :v) AND sk > :w", "sk >= :w and :v = #k"];
        for expression in found {
            assert_eq!(asks(expression).as_deref(), Some("S:acme#0"), "{expression}");
        }
        assert_eq!(asks("sk = :v"), None);
    }
}
