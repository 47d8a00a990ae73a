//! The rules for names: ours, DynamoDB's and S3's.

/// Whether `name` can name a region, realm, service, shard or tenant: `[a-z0-9][a-z0-9-]{0,62}`.
pub(crate) fn is_plain_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&name.len()) && !name.starts_with('-') && name.bytes().all(inner)
}

/// Why this can't be the name of a DynamoDB table or index, if it can't (DynamoDB Developer Guide, "Supported data
/// types and naming rules in Amazon DynamoDB").
pub(super) fn table_problem(name: &str) -> Option<String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let good = (3..=255).contains(&name.len()) && name.bytes().all(allowed);
    (!good).then(|| format!("`{name}` must be 3 to 255 characters from a-z, A-Z, 0-9, _, - and ."))
}

/// Why this can't be the attribute that an index is keyed on, if it can't (same source: 1 to 255 bytes of UTF-8).
pub(super) fn attribute_problem(name: &str) -> Option<String> {
    let good = (1..=255).contains(&name.len()) && !name.chars().any(char::is_control);
    (!good).then(|| format!("`{}` must be an attribute name of 1 to 255 bytes", name.escape_debug()))
}

const BUCKET_PREFIXES: [&str; 3] = ["xn--", "sthree-", "amzn-s3-demo-"];
const BUCKET_SUFFIXES: [&str; 5] = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];

/// Why this can't be the name of a bucket, if it can't (S3 User Guide, "General purpose bucket naming rules").
pub(super) fn bucket_problem(name: &str) -> Option<String> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    let edge = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let bytes = name.as_bytes();
    if !(3..=63).contains(&name.len()) || !name.bytes().all(allowed) || !edge(bytes.first()) || !edge(bytes.last()) {
        return Some(format!(
            "`{name}` must be 3 to 63 characters from a-z, 0-9, - and ., starting and ending with a letter or digit"
        ));
    }
    if name.contains("..") || name.parse::<std::net::Ipv4Addr>().is_ok() {
        return Some(format!("`{name}` must not have two dots in a row or look like an IP address"));
    }
    let reserved = BUCKET_PREFIXES.iter().find(|prefix| name.starts_with(**prefix));
    let reserved = reserved.or_else(|| BUCKET_SUFFIXES.iter().find(|suffix| name.ends_with(**suffix)));
    reserved.map(|part| format!("`{name}` uses `{part}`, which AWS reserves"))
}

/// The longest expanded prefix we take, in bytes: S3 keys have 1,024 in all, and the service needs room for its own.
const PREFIX_MAX: usize = 512;

/// Why this can't be the prefix under which tenants' objects lie, if it can't. `{region}` is expanded already.
pub(super) fn prefix_problem(prefix: &str) -> Option<String> {
    let Some(segments) = prefix.strip_suffix('/') else {
        return Some(format!("`{prefix}` must end with /"));
    };
    if segments.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return Some(format!("`{prefix}` must not have empty, `.` or `..` segments"));
    }
    let whole = segments.split('/').filter(|segment| *segment == "{tenant}").count();
    if whole != 1 || prefix.matches("{tenant}").count() != 1 {
        return Some(format!("`{prefix}` must have {{tenant}} as exactly one whole segment"));
    }
    if prefix.len() > PREFIX_MAX || prefix.chars().any(char::is_control) {
        return Some(format!("the prefix must be at most {PREFIX_MAX} bytes, without control characters"));
    }
    None
}

/// Why the placeholders of a template are wrong, if they are.
pub(super) fn placeholder_problem(template: &str, allowed: &[&str]) -> Option<String> {
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        let tail = &rest[at..];
        let Some(end) = tail.find('}').filter(|end| *end > 0 && !tail[1..*end].contains('{')) else {
            return Some(format!("`{template}` has a brace without its partner"));
        };
        let name = &tail[..=end];
        if !allowed.contains(&name) {
            let known = allowed.join(" and ");
            return Some(format!("`{name}` is not a placeholder here; known: {known}"));
        }
        rest = &tail[end + 1..];
    }
    None
}

/// The known word nearest to `word`, when it is near enough to be what was meant.
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let plain = |text: &str| text.to_ascii_lowercase().replace(['-', '_'], "");
    let near = |other: &str| (edit_distance(&plain(word), &plain(other)), edit_distance(word, other));
    let ((distance, _), nearest) = known.iter().map(|other| (near(other), *other)).min()?;
    (distance <= 2 && distance < plain(word).len()).then_some(nearest)
}

/// Levenshtein's distance, by rows.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let changed = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}
