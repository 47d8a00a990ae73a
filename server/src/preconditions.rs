//! Changes that depend on what is in force: `ETag` and `If-Match` (RFC 9110), so that nobody overwrites what somebody else has changed since.
//! What a change asked for with them is compared in the transaction that makes it.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use workflows::precondition::{Precondition, Tag};

use crate::problem::ApiError;

pub(crate) const IF_MATCH: &str = "If-Match";

/// The header's value of what is in force.
pub(crate) fn etag(tag: &Tag) -> [(header::HeaderName, HeaderValue); 1] {
    let quoted = format!("\"{}\"", tag.as_str());
    [(header::ETAG, HeaderValue::try_from(quoted).expect("a tag is hexadecimal"))]
}

/// What the request says of what has to be in force; nothing: whatever is.
pub(crate) struct IfMatch(pub(crate) Precondition);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        if !parts.headers.contains_key(header::IF_MATCH) {
            return Ok(Self(Precondition::Any));
        }
        let tags = tags(&parts.headers, &header::IF_MATCH);
        tags.map(|tags| match tags {
            Tags::Any => Self(Precondition::Any),
            Tags::These(tags) => Self(Precondition::OneOf(tags)),
        })
        .ok_or_else(|| {
            let detail = "If-Match is `*` or the `ETag` of the last GET as it was, with its quotes; weak tags (`W/`) do not count";
            ApiError::invalid("invalid_if_match", detail)
        })
    }
}

/// Whether the client has this already.
pub(crate) fn is_known(headers: &HeaderMap, tag: &Tag) -> bool {
    match tags(headers, &header::IF_NONE_MATCH) {
        Some(Tags::These(tags)) => tags.contains(tag),
        Some(Tags::Any) | None => false,
    }
}

enum Tags {
    Any,
    These(Vec<Tag>),
}

fn tags(headers: &HeaderMap, name: &header::HeaderName) -> Option<Tags> {
    let mut found = Vec::new();
    for value in headers.get_all(name) {
        let text = value.to_str().ok()?;
        if text.trim() == "*" {
            return Some(Tags::Any);
        }
        for tag in text.split(',').map(str::trim).filter(|tag| !tag.is_empty()) {
            let bare = tag.strip_prefix('"')?.strip_suffix('"')?;
            found.push(Tag::new(bare));
        }
    }
    (!found.is_empty()).then_some(Tags::These(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&str]) -> Option<Vec<String>> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::IF_MATCH, HeaderValue::from_str(value).expect("a value"));
        }
        match tags(&headers, &header::IF_MATCH)? {
            Tags::Any => Some(vec!["*".to_owned()]),
            Tags::These(tags) => Some(tags.iter().map(|tag| tag.as_str().to_owned()).collect()),
        }
    }

    #[test]
    fn tags_are_quoted_and_strong() {
        assert_eq!(read(&["*"]), Some(vec!["*".to_owned()]));
        assert_eq!(read(&["\"a\", \"b\"", "\"c\""]), Some(vec!["a".to_owned(), "b".to_owned(), "c".to_owned()]));
        for bad in ["a", "W/\"a\"", "\"a", "", ",", "\""] {
            assert_eq!(read(&[bad]), None, "{bad}");
        }
    }
}
