//! Takes in the body of an upload: stores it piece by piece, and refuses it if it is not what the client says it is.
//!
//! What it stored belongs to no object yet; the caller refers to it in the transaction that makes the object or part.

use std::sync::Arc;

use futures::StreamExt;
use rusqlite::Connection;
use s3s::dto::StreamingBlob;
use s3s::{S3Error, S3ErrorCode, S3Request, S3Result, TrailingHeaders, s3_error};

use super::checksums::{self, Algorithm, Running, Stored, Sums, base64};
use super::contents::{self, CHUNK, Draft};
use super::store::{Outcome, Store, next_number};

/// What the client says about the body.
pub(super) struct Claims {
    content_md5: Option<String>,
    /// At most one, by S3's rules.
    checksum: Option<(Algorithm, Claim)>,
}

enum Claim {
    Value(String),
    /// It comes behind the body.
    Trailer(TrailingHeaders),
    /// The algorithm alone: the server is to compute it.
    Computed,
}

/// A body that was stored and found to be as claimed.
pub(super) struct Received {
    bytes: Bytes,
    pub(super) size: u64,
    pub(super) md5: [u8; 16],
    pub(super) checksum: Stored,
}

/// One transaction is enough for a small body; a large one is already in the store.
enum Bytes {
    Small(Vec<u8>),
    Large(Draft),
}

impl Claims {
    /// From the request's headers; `given` are the `x-amz-checksum-…` among them.
    pub(super) fn new<T>(
        request: &S3Request<T>,
        content_md5: Option<String>,
        mut given: Vec<(Algorithm, String)>,
        named: Option<&str>,
    ) -> S3Result<Self> {
        if given.len() > 1 {
            return Err(s3_error!(
                InvalidRequest,
                "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
            ));
        }
        let trailer = request.headers.get("x-amz-trailer").and_then(|value| value.to_str().ok());
        let trailer = trailer.and_then(|names| names.split(',').find_map(Algorithm::of_header));
        let checksum = match (given.pop(), trailer, &request.trailing_headers) {
            (Some((algorithm, value)), _, _) => Some((algorithm, Claim::Value(value))),
            (None, Some(algorithm), Some(trailers)) => Some((algorithm, Claim::Trailer(trailers.clone()))),
            (None, Some(_), None) => {
                return Err(s3_error!(InvalidRequest, "x-amz-trailer without a streaming payload"));
            }
            (None, None, _) => named.map(Algorithm::named).transpose()?.map(|algorithm| (algorithm, Claim::Computed)),
        };
        Ok(Self { content_md5, checksum })
    }

    /// The algorithm the client chose, if it chose one.
    pub(super) fn algorithm(&self) -> Option<Algorithm> {
        self.checksum.as_ref().map(|(algorithm, _)| *algorithm)
    }

    fn check(self, sums: &Sums) -> S3Result<()> {
        if let Some(md5) = self.content_md5
            && md5 != base64(&sums.md5)
        {
            return Err(s3_error!(BadDigest, "The Content-MD5 you specified did not match what we received."));
        }
        let Some((algorithm, claim)) = self.checksum else { return Ok(()) };
        let claimed = match claim {
            Claim::Value(value) => value,
            Claim::Computed => return Ok(()),
            Claim::Trailer(trailers) => {
                let headers = trailers.take().unwrap_or_default();
                let value = headers.get(algorithm.header()).and_then(|value| value.to_str().ok());
                value.ok_or_else(|| bad_request("MalformedTrailerError"))?.to_owned()
            }
        };
        if claimed == sums.checksum.value {
            return Ok(());
        }
        let name = algorithm.name();
        Err(s3_error!(BadDigest, "The {name} you specified did not match the calculated checksum."))
    }
}

impl Received {
    /// Gives the body a content, in the transaction that refers to it. Call [`Received::keep`] once it is committed.
    pub(super) fn place(&self, connection: &Connection) -> Outcome<i64> {
        match &self.bytes {
            Bytes::Large(draft) => Ok(draft.content()),
            Bytes::Small(bytes) => {
                let content = next_number(connection)?;
                contents::append(connection, content, 0, bytes)?;
                Ok(content)
            }
        }
    }

    pub(super) fn keep(self) {
        if let Bytes::Large(draft) = self.bytes {
            draft.keep();
        }
    }
}

/// Reads the body to its end. Nothing of it stays in the store when it is refused or breaks off.
pub(super) async fn receive(store: &Arc<Store>, body: Option<StreamingBlob>, claims: Claims) -> S3Result<Received> {
    let mut running = Running::new(claims.algorithm().unwrap_or(checksums::DEFAULT));
    let mut pending = Vec::new();
    let mut stored = 0_u64;
    let mut draft: Option<Draft> = None;
    let mut body = body.unwrap_or_else(|| StreamingBlob::from(s3s::Body::empty()));
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(broken_body)?;
        running.update(&piece);
        pending.extend_from_slice(&piece);
        while pending.len() > CHUNK {
            if draft.is_none() {
                draft = Some(Draft::new(store)?);
            }
            let content = draft.as_ref().expect("made just above").content();
            let rest = pending.split_off(CHUNK);
            store.write(|transaction| contents::append(transaction, content, stored, &pending))?;
            stored += CHUNK as u64;
            pending = rest;
        }
    }
    let size = stored + pending.len() as u64;
    if let Some(draft) = &draft {
        store.write(|transaction| contents::append(transaction, draft.content(), stored, &pending))?;
    }
    let sums = running.finish();
    claims.check(&sums)?;
    let bytes = draft.map_or(Bytes::Small(pending), Bytes::Large);
    Ok(Received { bytes, size, md5: sums.md5, checksum: sums.checksum })
}

/// A code the protocol crate has no name for.
fn bad_request(code: &'static str) -> S3Error {
    let mut error = S3Error::new(S3ErrorCode::Custom(code.into()));
    error.set_status_code(hyper::StatusCode::BAD_REQUEST);
    error
}

/// The protocol crate checks signatures and lengths while the body passes. Its errors have no public type, only texts.
fn broken_body(error: s3s::StdError) -> S3Error {
    let text = error.to_string();
    if text.contains("Sha256Mismatch") {
        return bad_request("XAmzContentSHA256Mismatch");
    }
    let signature = text.contains("SignatureMismatch");
    let code = if signature { S3ErrorCode::SignatureDoesNotMatch } else { S3ErrorCode::IncompleteBody };
    S3Error::with_source(code, error)
}
