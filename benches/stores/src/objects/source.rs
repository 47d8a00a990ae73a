//! The objects, and how they are copied.

use std::path::PathBuf;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use futures::stream::{self, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use testkit::region::s3_client;
use testkit::{Region, Storage, fixtures};
use workers::Verification;

use super::{PART, SOURCE_BUCKET, bare, mover};
use crate::job::{Copied, Job};
use crate::stores::Stores;
use crate::{Error, TENANT};

const WRITERS: usize = 16;

/// So many objects of one tenant.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Objects {
    pub(super) folder: Option<PathBuf>,
    pub(super) objects: u64,
    pub(super) bytes: u64,
}

impl Stores for Objects {
    fn storage(&self, region: &str) -> Storage {
        self.folder.as_ref().map_or(Storage::Memory, |folder| Storage::Disk(folder.join(region)))
    }

    async fn fill(&self, source: &Region) -> Result<(), Error> {
        let client = s3_client(source);
        fixtures::create_bucket(&client, SOURCE_BUCKET).await.map_err(|error| Error::part(&error))?;
        if self.bytes > PART {
            for number in 0..self.objects {
                self.put_large(&client, number).await?;
            }
            return Ok(());
        }
        let puts = stream::iter(0..self.objects).map(|number| put(&client, number, self.bytes));
        puts.buffer_unordered(WRITERS).try_collect::<()>().await
    }

    fn endpoint(region: &Region) -> &str {
        region.s3_endpoint()
    }

    async fn by_sdk(job: &Job, in_flight: usize) -> Result<Copied, Error> {
        bare::copy(job, in_flight).await
    }

    /// Keys of objects need no statement about what they begin with.
    async fn by_movers(job: &Job, verification: Verification, _: bool) -> Result<Copied, Error> {
        mover::copy(job, verification).await
    }
}

impl Objects {
    async fn put_large(&self, client: &Client, number: u64) -> Result<(), Error> {
        let key = key(number);
        let created = client.create_multipart_upload().bucket(SOURCE_BUCKET).key(&key).send().await;
        let upload = created.map_err(|error| Error::part(&error))?.upload_id.unwrap_or_default();
        let (key, upload) = (&*key, &*upload);
        let parts = stream::iter(0..self.bytes.div_ceil(PART)).map(|part| async move {
            // Of no two objects alike: a store or a check that takes one for another is found out.
            let body = contents(number << 32 | part, PART.min(self.bytes - part * PART));
            let named = i32::try_from(part + 1).map_err(|error| Error::part(&error))?;
            let sent = client.upload_part().bucket(SOURCE_BUCKET).key(key).upload_id(upload).part_number(named);
            let sent = sent.body(ByteStream::from(body)).send().await.map_err(|error| Error::part(&error))?;
            Ok::<_, Error>(CompletedPart::builder().part_number(named).set_e_tag(sent.e_tag).build())
        });
        let parts = parts.buffered(4).try_collect().await?;
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let complete = client.complete_multipart_upload().bucket(SOURCE_BUCKET).key(key).upload_id(upload);
        complete.multipart_upload(parts).send().await.map(drop).map_err(|error| Error::part(&error))
    }
}

async fn put(client: &Client, number: u64, bytes: u64) -> Result<(), Error> {
    let put = client.put_object().bucket(SOURCE_BUCKET).key(key(number)).content_type("image/png");
    put.body(ByteStream::from(contents(number, bytes))).send().await.map(drop).map_err(|error| Error::part(&error))
}

fn key(number: u64) -> String {
    format!("{TENANT}/media/{:02x}/{number:08}.bin", number % 256)
}

/// Different bytes for each number, and none that compress.
fn contents(number: u64, bytes: u64) -> Vec<u8> {
    // One to one, and never 0, which the generator would not leave.
    let mut state = (number << 1 | 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut out = Vec::with_capacity(usize::try_from(bytes).unwrap_or_default() + 8);
    while (out.len() as u64) < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend_from_slice(&state.to_le_bytes());
    }
    out.truncate(usize::try_from(bytes).unwrap_or(usize::MAX));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_objects_or_parts_are_alike() {
        let whole = (0..64).map(|number| contents(number, 32));
        let parts = (1..16).flat_map(|number: u64| (0..16).map(move |part| contents(number << 32 | part, 32)));
        let all: Vec<_> = whole.chain(parts).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    }
}
