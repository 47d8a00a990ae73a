//! What it is measured against: the same reads and writes by the SDK alone, with nothing to go wrong: no permits, no checkpoints,
//! no digests, no second look.

use aws_sdk_s3::Client as Sdk;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use futures::stream::{self, StreamExt, TryStreamExt};
use testkit::region::s3_client_at;

use super::{PART, SOURCE_BUCKET};
use crate::job::{Copied, Job, Reads};
use crate::{Error, SOURCE_REGION, TARGET_REGION, TENANT};

#[derive(Clone)]
struct Pair {
    from: Sdk,
    to: Sdk,
    target: String,
    in_flight: usize,
}

/// Copies everything with so many objects in flight.
pub(super) async fn copy(job: &Job, in_flight: usize) -> Result<Copied, Error> {
    let pair = Pair {
        from: s3_client_at(SOURCE_REGION, &job.regions.from),
        to: s3_client_at(TARGET_REGION, &job.regions.to),
        target: job.target.clone(),
        in_flight,
    };
    let (mut objects, mut token) = (0, None);
    loop {
        let list = pair.from.list_objects_v2().bucket(SOURCE_BUCKET).prefix(format!("{TENANT}/"));
        let page = list.set_continuation_token(token).send().await.map_err(|error| Error::part(&error))?;
        let found = page.contents.unwrap_or_default();
        objects += found.len() as u64;
        let copied = stream::iter(found).map(|object| {
            let pair = pair.clone();
            let (key, size) = (object.key.unwrap_or_default(), object.size.unwrap_or_default().unsigned_abs());
            spawned(async move { if size > PART { pair.large(&key, size).await } else { pair.small(&key).await } })
        });
        copied.buffer_unordered(in_flight).try_collect::<()>().await?;
        token = page.next_continuation_token;
        if token.is_none() {
            return Ok(Copied { count: objects, reads: Reads::default() });
        }
    }
}

async fn spawned<T: Send + 'static>(work: impl Future<Output = Result<T, Error>> + Send + 'static) -> Result<T, Error> {
    tokio::spawn(work).await.map_err(|_| Error::Part("the bare loop panicked".to_owned()))?
}

impl Pair {
    async fn small(&self, key: &str) -> Result<(), Error> {
        let (object, tags) = tokio::join!(
            self.from.get_object().bucket(SOURCE_BUCKET).key(key).send(),
            self.from.get_object_tagging().bucket(SOURCE_BUCKET).key(key).send(),
        );
        let (object, _tags) =
            (object.map_err(|error| Error::part(&error))?, tags.map_err(|error| Error::part(&error))?);
        let body = object.body.collect().await.map_err(|error| Error::part(&error))?.into_bytes();
        let put = self.to.put_object().bucket(&self.target).key(key).set_content_type(object.content_type);
        put.body(ByteStream::from(body)).send().await.map(drop).map_err(|error| Error::part(&error))
    }

    async fn large(&self, key: &str, size: u64) -> Result<(), Error> {
        let created = self.to.create_multipart_upload().bucket(&self.target).key(key).send().await;
        let upload = created.map_err(|error| Error::part(&error))?.upload_id.unwrap_or_default();
        let parts = stream::iter(0..size.div_ceil(PART)).map(|part| {
            let (pair, key, upload) = (self.clone(), key.to_owned(), upload.clone());
            spawned(async move { pair.part(&key, &upload, part, size).await })
        });
        let parts = parts.buffered(self.in_flight / 2).try_collect().await?;
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let complete = self.to.complete_multipart_upload().bucket(&self.target).key(key).upload_id(upload);
        complete.multipart_upload(parts).send().await.map(drop).map_err(|error| Error::part(&error))
    }

    async fn part(&self, key: &str, upload: &str, part: u64, size: u64) -> Result<CompletedPart, Error> {
        let last = size.min((part + 1) * PART) - 1;
        let get = self.from.get_object().bucket(SOURCE_BUCKET).key(key).range(format!("bytes={}-{last}", part * PART));
        let body = get.send().await.map_err(|error| Error::part(&error))?.body;
        let body = body.collect().await.map_err(|error| Error::part(&error))?.into_bytes();
        let named = i32::try_from(part + 1).map_err(|error| Error::part(&error))?;
        let put = self.to.upload_part().bucket(&self.target).key(key).upload_id(upload).part_number(named);
        let sent = put.body(ByteStream::from(body)).send().await.map_err(|error| Error::part(&error))?;
        Ok(CompletedPart::builder().part_number(named).set_e_tag(sent.e_tag).build())
    }
}
