//! The embedded regions, served by a process of their own.

use std::path::PathBuf;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use futures::stream::{self, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use testkit::region::s3_client;
use testkit::{Ports, Region, Storage, fixtures};

use super::{Error, SOURCE_BUCKET, SOURCE_REGION, TARGET_REGION, TENANT};
use crate::copy::process::{say, until_dismissed};

const WRITERS: usize = 16;
pub(super) const PART: u64 = 8 << 20;

/// What they hold at first: this many objects of one tenant at the source.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Stores {
    pub(super) folder: Option<PathBuf>,
    pub(super) objects: u64,
    pub(super) bytes: u64,
}

/// Where they are.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Addresses {
    pub(super) from: String,
    pub(super) to: String,
}

impl Stores {
    pub(super) async fn serve(self) -> Result<(), Error> {
        let start = |name: &str| {
            let storage = self.folder.as_ref().map_or(Storage::Memory, |folder| Storage::Disk(folder.join(name)));
            Region::start(name, storage, Ports::Any).map_err(|error| Error::part(&error))
        };
        let (from, to) = (start(SOURCE_REGION)?, start(TARGET_REGION)?);
        let client = s3_client(&from);
        fixtures::create_bucket(&client, SOURCE_BUCKET).await.map_err(|error| Error::part(&error))?;
        if self.bytes > PART {
            for number in 0..self.objects {
                self.put_large(&client, number).await?;
            }
        } else {
            let puts = stream::iter(0..self.objects).map(|number| put(&client, number, self.bytes));
            puts.buffer_unordered(WRITERS).try_collect::<()>().await?;
        }
        say(&Addresses { from: from.s3_endpoint().to_owned(), to: to.s3_endpoint().to_owned() })?;
        until_dismissed().await;
        Ok(())
    }

    async fn put_large(&self, client: &Client, number: u64) -> Result<(), Error> {
        let key = key(number);
        let created = client.create_multipart_upload().bucket(SOURCE_BUCKET).key(&key).send().await;
        let upload = created.map_err(|error| Error::part(&error))?.upload_id.unwrap_or_default();
        let (key, upload) = (&*key, &*upload);
        let parts = stream::iter(0..self.bytes.div_ceil(PART)).map(|part| async move {
            let body = contents(part, PART.min(self.bytes - part * PART));
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
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
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
