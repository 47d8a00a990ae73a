//! The embedded S3 answers as S3 does: each behaviour through the plain SDK.

use std::fmt::Debug;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use testkit::region::s3_client;
use testkit::{Error, Ports, Region, Storage, fixtures};

mod buckets;
mod checksums;
mod copies;
mod keys;
mod listing;
mod multipart;
mod objects;
mod storage;
mod versions;

const BUCKET: &str = "media";

/// A region with one bucket, and a client for it.
async fn bucket() -> Result<(Region, Client), Error> {
    let region = Region::start("us-east-1", Storage::Memory, Ports::Any)?;
    let client = s3_client(&region);
    fixtures::create_bucket(&client, BUCKET).await?;
    Ok((region, client))
}

async fn put(client: &Client, key: &str, body: impl Into<Vec<u8>>) -> Result<String, Error> {
    let sent = client.put_object().bucket(BUCKET).key(key).body(ByteStream::from(body.into())).send().await;
    Ok(ok("put", sent)?.e_tag.unwrap_or_default())
}

async fn get(client: &Client, key: &str) -> Result<Vec<u8>, Error> {
    let got = ok("get", client.get_object().bucket(BUCKET).key(key).send().await)?;
    Ok(got.body.collect().await.map_err(|error| Error::new("read", error))?.to_vec())
}

async fn keys(client: &Client) -> Result<Vec<String>, Error> {
    let listed = ok("list", client.list_objects_v2().bucket(BUCKET).send().await)?;
    Ok(listed.contents.unwrap_or_default().into_iter().filter_map(|object| object.key).collect())
}

fn ok<T, E>(what: &str, result: Result<T, SdkError<E>>) -> Result<T, Error>
where
    E: std::error::Error + Send + Sync + 'static,
{
    result.map_err(|error| Error::new(what, error))
}

/// The HTTP status and S3's code of a refusal.
fn refusal<T: Debug, E: ProvideErrorMetadata>(result: Result<T, SdkError<E>>) -> (u16, String) {
    match result {
        Ok(answer) => panic!("it was not refused: {answer:?}"),
        Err(error) => {
            let status = error.raw_response().map_or(0, |raw| raw.status().as_u16());
            (status, error.code().unwrap_or_default().to_owned())
        }
    }
}

/// Bytes without a pattern that a repeated chunk could hide in.
fn noise(size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    blake3::Hasher::new().update(&size.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}
