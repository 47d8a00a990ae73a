//! How contents get from one bucket to another: copied by the store itself where it can, and through this process where not.

use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use super::Bucket;
use super::encoding::url_encoded;
use crate::error::WorkError;
use crate::settings::ServerSideCopy;

/// The code of a copy that the store does not do; contents then go through this process.
pub(super) const NOT_COPIED: &str = "server_side_copy_refused";

/// The bucket that a store copies from, as the store is told.
pub(super) struct Source<'a>(&'a Bucket);

/// The way that objects take in one pass.
pub(super) struct Route<'a> {
    source: Source<'a>,
    by_store: AtomicBool,
}

impl<'a> Route<'a> {
    /// By the store if source and target are of one provider, as far as their endpoints tell.
    pub(super) fn between(from: &'a Bucket, to: &Bucket) -> Self {
        let by_store = match from.settings.server_side_copy {
            ServerSideCopy::Never => false,
            ServerSideCopy::SameEndpoint => from.endpoint == to.endpoint,
            ServerSideCopy::Always => true,
        };
        Self { source: Source(from), by_store: AtomicBool::new(by_store) }
    }

    /// The source for the store to copy from; `None` when contents go through this process.
    pub(super) fn by_store(&self) -> Option<&Source<'a>> {
        self.by_store.load(Ordering::Relaxed).then_some(&self.source)
    }

    /// Whether it was the store's refusal to copy: then, and from now on, contents go through this process.
    pub(super) fn is_turned(&self, why: &WorkError, to: &Bucket) -> bool {
        if why.code != NOT_COPIED {
            return false;
        }
        if self.by_store.swap(false, Ordering::Relaxed) {
            tracing::warn!(from = %self.source.0.site, to = %to.site, %why, "objects are copied through this process");
        }
        true
    }
}

impl Source<'_> {
    /// The header that names an object: bucket and key, URL-encoded.
    pub(super) fn header(&self, relative: &str) -> String {
        let key = self.0.key(relative);
        let encoded: Vec<String> = key.split('/').map(url_encoded).collect();
        format!("{}/{}", self.0.name, encoded.join("/"))
    }

    /// What a refused copy means.
    pub(super) fn failed<E>(&self, to: &Bucket, error: SdkError<E, HttpResponse>) -> WorkError
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        match error.code() {
            Some("PreconditionFailed") => self.0.changed(),
            // The target's side may not read the source, does not know it, or has no such operation.
            Some(
                code @ ("AccessDenied" | "NotImplemented" | "MethodNotAllowed" | "InvalidRequest" | "InvalidArgument"
                | "NoSuchBucket" | "NoSuchKey"),
            ) => {
                let message = format!("{} does not copy from {}: {code}", to.site, self.0.site);
                WorkError::retryable(NOT_COPIED, message).because(error)
            }
            _ => to.site.failed("copy an object into", error),
        }
    }
}
