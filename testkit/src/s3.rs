//! A faithful embedded S3: the protocol is the `s3s` crate's, the behaviour is here, on one SQLite database a region.
//!
//! It keeps what a residency audit must see (versions, delete markers, unfinished uploads) and what a copy must
//! carry (headers, metadata, tags, checksums). It has no access rules, encryption, object locks, lifecycle or
//! replication at work; what it would lose silently it refuses with `NotImplemented`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use s3s::auth::{S3Auth, SecretKey};
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::dto as s3;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3, S3Request, S3Response, S3Result};

mod attributes;
mod buckets;
mod checksums;
mod conditions;
mod contents;
mod copies;
mod intake;
mod listing;
mod multipart;
mod objects;
mod store;
mod uploads;
mod versions;
mod walk;

pub use store::Store;

/// One region's S3.
#[derive(Debug)]
pub struct Embedded {
    region: String,
    store: Arc<Store>,
}

impl Embedded {
    /// The S3 of `region` on `store`.
    #[must_use]
    pub fn new(region: &str, store: Arc<Store>) -> Self {
        Self { region: region.to_owned(), store }
    }

    /// The HTTP service, which checks signatures, and that they were made at most `age` ago.
    pub(crate) fn into_service(self, age: Duration) -> S3Service {
        let mut builder = S3ServiceBuilder::new(self);
        let mut config = S3Config::default();
        config.presigned_url_max_skew_time_secs = u32::try_from(age.as_secs()).unwrap_or(u32::MAX);
        builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
        builder.set_auth(AnyKey);
        builder.build()
    }
}

/// Whatever access key is named, the secret is the one all tests share.
struct AnyKey;

#[async_trait]
impl S3Auth for AnyKey {
    async fn get_secret_key(&self, _access_key: &str) -> S3Result<SecretKey> {
        Ok(SecretKey::from(crate::credentials::SECRET_KEY))
    }
}

/// Implements the trait by naming, for each operation, the method that does it.
macro_rules! operations {
    ($($operation:ident($input:ident) -> $output:ident = $method:ident;)*) => {
        #[async_trait]
        impl S3 for Embedded {
            async fn put_object(&self, request: S3Request<s3::PutObjectInput>) -> S3Result<S3Response<s3::PutObjectOutput>> {
                Ok(S3Response::new(self.put(request).await?))
            }

            async fn upload_part(&self, request: S3Request<s3::UploadPartInput>) -> S3Result<S3Response<s3::UploadPartOutput>> {
                Ok(S3Response::new(self.put_part(request).await?))
            }

            $(async fn $operation(&self, request: S3Request<s3::$input>) -> S3Result<S3Response<s3::$output>> {
                Ok(S3Response::new(self.$method(&request.input)?))
            })*
        }
    };
}

operations! {
    create_bucket(CreateBucketInput) -> CreateBucketOutput = make_bucket;
    delete_bucket(DeleteBucketInput) -> DeleteBucketOutput = drop_bucket;
    head_bucket(HeadBucketInput) -> HeadBucketOutput = see_bucket;
    list_buckets(ListBucketsInput) -> ListBucketsOutput = all_buckets;
    get_bucket_location(GetBucketLocationInput) -> GetBucketLocationOutput = locate_bucket;
    get_bucket_versioning(GetBucketVersioningInput) -> GetBucketVersioningOutput = versioning;
    put_bucket_versioning(PutBucketVersioningInput) -> PutBucketVersioningOutput = set_versioning;
    get_bucket_replication(GetBucketReplicationInput) -> GetBucketReplicationOutput = replication;
    put_bucket_replication(PutBucketReplicationInput) -> PutBucketReplicationOutput = set_replication;
    delete_bucket_replication(DeleteBucketReplicationInput) -> DeleteBucketReplicationOutput = drop_replication;
    get_object(GetObjectInput) -> GetObjectOutput = get;
    head_object(HeadObjectInput) -> HeadObjectOutput = head;
    delete_object(DeleteObjectInput) -> DeleteObjectOutput = delete;
    delete_objects(DeleteObjectsInput) -> DeleteObjectsOutput = delete_many;
    copy_object(CopyObjectInput) -> CopyObjectOutput = copy;
    get_object_tagging(GetObjectTaggingInput) -> GetObjectTaggingOutput = tags;
    put_object_tagging(PutObjectTaggingInput) -> PutObjectTaggingOutput = set_tags;
    delete_object_tagging(DeleteObjectTaggingInput) -> DeleteObjectTaggingOutput = drop_tags;
    list_objects_v2(ListObjectsV2Input) -> ListObjectsV2Output = list;
    list_object_versions(ListObjectVersionsInput) -> ListObjectVersionsOutput = list_versions;
    create_multipart_upload(CreateMultipartUploadInput) -> CreateMultipartUploadOutput = create_upload;
    upload_part_copy(UploadPartCopyInput) -> UploadPartCopyOutput = copy_part;
    complete_multipart_upload(CompleteMultipartUploadInput) -> CompleteMultipartUploadOutput = complete;
    abort_multipart_upload(AbortMultipartUploadInput) -> AbortMultipartUploadOutput = abort;
    list_multipart_uploads(ListMultipartUploadsInput) -> ListMultipartUploadsOutput = list_uploads;
    list_parts(ListPartsInput) -> ListPartsOutput = list_parts;
}
