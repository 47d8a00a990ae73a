//! Base URLs of stores: which are acceptable, and when two of them mean the same store.

use url::Url;

/// Why `text` can't be the address of a store or a shard, if it can't.
pub(super) fn problem_with(text: &str) -> Option<String> {
    // Where credentials may be in the text it is not repeated: problems end up in logs.
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(error) if text.contains('@') => return Some(format!("this is not a URL: {error}")),
        Err(error) => return Some(format!("`{text}` is not a URL: {error}")),
    };
    if !matches!(url.scheme(), "http" | "https") {
        return Some(format!("`{text}` must start with http:// or https://"));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Some(format!("`{text}` has no host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Some("a URL here must not carry credentials".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Some(format!("`{text}` must not have a query or a fragment"));
    }
    None
}

/// Why `text` can't be where a service takes calls about its tenants' data, if it can't: what a rule for URLs forbids, and any
/// way on which others could read or change the calls.
pub(super) fn problem_with_hooks(text: &str) -> Option<String> {
    if let Some(problem) = problem_with(text) {
        return Some(problem);
    }
    let url = Url::parse(text).ok()?;
    let loopback = match url.host()? {
        url::Host::Domain(name) => name == "localhost",
        url::Host::Ipv4(address) => address.is_loopback(),
        url::Host::Ipv6(address) => address.is_loopback(),
    };
    (url.scheme() != "https" && !loopback)
        .then(|| format!("`{text}` must start with https://: plain http is for loopback only"))
}

/// The identity of a service that takes calls: host, port and path.
pub(crate) fn hooks_identity(url: &str) -> String {
    host_port_path(url)
}

/// The identity of a DynamoDB endpoint: tables of one name are different tables in different regions of AWS. It is stored in the ledger:
/// an endpoint's identity never changes. Whether two identities are one place is told by [`dynamodb_place`].
pub(crate) fn dynamodb_identity(endpoint: Option<&str>, region: &str) -> String {
    let Some(endpoint) = endpoint else { return format!("aws:{region}") };
    let identity = host_port_path(endpoint);
    match identity.strip_prefix("dynamodb.").and_then(|rest| rest.split_once(".amazonaws.com:")) {
        Some((named, _)) => format!("aws:{named}"),
        None => identity,
    }
}

/// The identity of an S3 endpoint. Bucket names are unique over all regions of AWS, so a region is not part of it. Stored, as the one above.
pub(crate) fn s3_identity(endpoint: Option<&str>) -> String {
    let Some(endpoint) = endpoint else { return "aws".to_owned() };
    let identity = host_port_path(endpoint);
    match identity.split_once("amazonaws.com:") {
        Some((host, _)) if host.starts_with("s3.") => "aws".to_owned(),
        _ => identity,
    }
}

/// Where a DynamoDB endpoint leads, as far as its name tells: by FIPS and by IPv6 it is the same table.
pub(crate) fn dynamodb_place(endpoint: Option<&str>, region: &str) -> String {
    let identity = folded(&dynamodb_identity(endpoint, region));
    let rest = ["dynamodb.", "dynamodb-fips."].iter().find_map(|begin| identity.strip_prefix(begin));
    let named = rest.and_then(|rest| [".amazonaws.com:", ".api.aws:"].iter().find_map(|end| rest.split_once(end)));
    named.map_or(identity.clone(), |(region, _)| format!("aws:{region}"))
}

/// Where an S3 endpoint leads, as far as its name tells, whatever kind of address of AWS it is.
pub(crate) fn s3_place(endpoint: Option<&str>) -> String {
    let identity = folded(&s3_identity(endpoint));
    match identity.split_once("amazonaws.com:") {
        Some((host, _)) if ["s3.", "s3-"].iter().any(|begin| host.starts_with(begin)) => "aws".to_owned(),
        _ => identity,
    }
}

/// A host of many names by one of them.
fn folded(identity: &str) -> String {
    let Some((host, rest)) = identity.rsplit_once(':') else { return identity.to_owned() };
    // A name may end in a dot, which makes it whole.
    let host = host.strip_suffix('.').unwrap_or(host);
    let host = if ["localhost", "[::1]"].contains(&host) { "127.0.0.1" } else { host };
    format!("{host}:{rest}")
}

/// Lower-case host, explicit port, path without a trailing slash. The scheme is left out: the same server on the same
/// port is the same store.
fn host_port_path(endpoint: &str) -> String {
    let fallback = || endpoint.trim_end_matches('/').to_ascii_lowercase();
    let Ok(url) = Url::parse(endpoint) else { return fallback() };
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else { return fallback() };
    let host = if host == "localhost" { "127.0.0.1" } else { host };
    format!("{host}:{port}{}", url.path().trim_end_matches('/'))
}
