//! The rules for stores: names that AWS would take, placeholders that mean something, one kind for each service.

use super::endpoint::problem_with_hooks;
use super::model::{Service, StoreSpec};
use super::names::{
    attribute_problem, bucket_problem, is_plain_name, placeholder_problem, prefix_problem, table_problem,
};
use crate::topology::validation_context::Rules;

/// More index shards than this is taken for a slip: a thousand already allow a million writes a second.
const SHARD_COUNT_MAX: u32 = 1000;

/// Whatever takes longer than a week is not a move of an offline tenant.
const LONGEST_MAX: u64 = 7 * 24 * 3600;

/// Judges the service's store and those of its shards.
pub(super) fn check(rules: &mut Rules<'_>, path: &str, service: &Service) {
    let stated = format!("{path}.store");
    let users = service.shards.iter().filter(|shard| shard.store.is_none());
    let regions: Vec<&str> = users.flat_map(|shard| &shard.data_regions).map(String::as_str).collect();
    store(rules, &stated, &service.store, &regions);
    let readable = !rules.lines.is_unreadable(&stated);
    for (position, shard) in service.shards.iter().enumerate() {
        let Some(own) = &shard.store else { continue };
        let path = format!("{path}.shards[{position}].store");
        if readable && own.kind() != service.store.kind() {
            let (own, service) = (own.kind(), service.store.kind());
            rules.report(
                &path,
                format!("is {own} where the service's is {service}: all stores of a service are of one kind"),
            );
        }
        let regions: Vec<&str> = shard.data_regions.iter().map(String::as_str).collect();
        store(rules, &path, own, &regions);
    }
}

fn store(rules: &mut Rules<'_>, path: &str, store: &StoreSpec, regions: &[&str]) {
    match store {
        StoreSpec::Dynamodb { table, index, index_key, shard_count, key_prefix, limits } => {
            let path = format!("{path}.dynamodb");
            template(rules, &format!("{path}.table"), table, &["{region}"], regions, table_problem);
            report(rules, &format!("{path}.index"), table_problem(index));
            report(rules, &format!("{path}.indexKey"), attribute_problem(index_key));
            report(rules, &format!("{path}.keyPrefix"), key_prefix.as_deref().and_then(key_prefix_problem));
            if !(1..=SHARD_COUNT_MAX).contains(shard_count) {
                rules.report(format!("{path}.shardCount"), format!("must be 1 to {SHARD_COUNT_MAX}"));
            }
            limits.check(rules, &format!("{path}.limits"));
        }
        StoreSpec::S3 { bucket, prefix } => {
            template(rules, &format!("{path}.s3.bucket"), bucket, &["{region}"], regions, bucket_problem);
            let known = ["{region}", "{tenant}"];
            template(rules, &format!("{path}.s3.prefix"), prefix, &known, regions, prefix_problem);
        }
        StoreSpec::Hooks { url, secret, longest_seconds } => {
            let path = format!("{path}.hooks");
            report(rules, &format!("{path}.url"), problem_with_hooks(url));
            let named = secret.as_deref().filter(|name| !is_plain_name(name));
            let wrong = named
                .map(|_| "must be the name of a secret: 1 to 63 characters from a-z, 0-9 and -, not starting with -");
            report(rules, &format!("{path}.secret"), wrong.map(str::to_owned));
            if longest_seconds.is_some_and(|longest| !(1..=LONGEST_MAX).contains(&longest)) {
                rules.report(format!("{path}.longestSeconds"), format!("must be 1 to {LONGEST_MAX} (a week)"));
            }
        }
    }
}

/// Judges a name as it comes out in every region that uses it; says the first thing that is wrong.
fn template(
    rules: &mut Rules<'_>,
    path: &str,
    text: &str,
    known: &[&str],
    regions: &[&str],
    judge: fn(&str) -> Option<String>,
) {
    let wrong = placeholder_problem(text, known);
    // Where no shard uses the store, any region shows what is wrong with the rest of the name.
    let regions = if regions.is_empty() { &["us-east-1"] } else { regions };
    let wrong = wrong.or_else(|| regions.iter().find_map(|region| judge(&text.replace("{region}", region))));
    report(rules, path, wrong);
}

/// Tenants' ids may begin with each other; with a character behind them that no id has, the keys can't.
fn key_prefix_problem(prefix: &str) -> Option<String> {
    let follows = prefix.split_once("{tenant}").map(|(_, rest)| rest.chars().next());
    let delimits = |c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit() && c != '-' && c != '{';
    match follows {
        None => Some("must contain {tenant}".to_owned()),
        Some(Some(next)) if delimits(next) => None,
        Some(_) => {
            Some("must have a delimiter after {tenant} that no tenant's id contains, such as `{tenant}#`".to_owned())
        }
    }
}

fn report(rules: &mut Rules<'_>, path: &str, wrong: Option<String>) {
    if let Some(reason) = wrong {
        rules.report(path, reason);
    }
}
