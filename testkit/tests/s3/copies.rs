//! CopyObject within a region.

use aws_sdk_s3::types::{ChecksumMode, MetadataDirective, TaggingDirective};
use testkit::Error;

use crate::{BUCKET, bucket, get, keys, noise, ok, put, refusal};

#[tokio::test]
async fn a_copy_carries_everything() -> Result<(), Error> {
    let (_region, client) = bucket().await?;
    ok("create", client.create_bucket().bucket("other").send().await)?;
    let bytes = noise(2_000_000);
    let sent = client.put_object().bucket(BUCKET).key("von/ä b+c").body(bytes.clone().into()).content_type("image/png");
    ok("put", sent.metadata("m", "1").tagging("t=1").cache_control("no-store").send().await)?;
    let copy = client.copy_object().copy_source("media/von/%C3%A4%20b%2Bc").bucket("other").key("nach").send().await;
    let copied = ok("copy", copy)?;
    // The source may go: the copy has its own hold on the bytes.
    ok("delete", client.delete_object().bucket(BUCKET).key("von/ä b+c").send().await)?;
    let got = ok("get", client.get_object().bucket("other").key("nach").send().await)?;
    assert_eq!(got.content_type(), Some("image/png"));
    assert_eq!((got.cache_control(), got.tag_count()), (Some("no-store"), Some(1)));
    assert_eq!(got.metadata().and_then(|all| all.get("m")).map(String::as_str), Some("1"));
    assert_eq!(copied.copy_object_result().and_then(|result| result.e_tag()), got.e_tag());
    assert!(got.body.collect().await.map_err(|error| Error::new("read", error))?.to_vec() == bytes);
    Ok(())
}

#[tokio::test]
async fn a_copy_may_replace_headers_and_tags() -> Result<(), Error> {
    let (_region, client) = bucket().await?;
    let sent = client.put_object().bucket(BUCKET).key("a").content_type("image/png").metadata("m", "1").tagging("t=1");
    ok("put", sent.send().await)?;
    let copy = client.copy_object().copy_source("media/a").bucket(BUCKET).key("b");
    let copy = copy.metadata_directive(MetadataDirective::Replace).content_type("text/plain").metadata("n", "2");
    ok("copy", copy.tagging_directive(TaggingDirective::Replace).tagging("u=2&v=3").send().await)?;
    let head = ok("head", client.head_object().bucket(BUCKET).key("b").send().await)?;
    assert_eq!(head.content_type(), Some("text/plain"));
    assert_eq!(head.metadata().map(|all| all.keys().cloned().collect::<Vec<_>>()), Some(vec!["n".to_owned()]));
    let tags = ok("tags", client.get_object_tagging().bucket(BUCKET).key("b").send().await)?;
    assert_eq!(tags.tag_set().len(), 2);
    Ok(())
}

#[tokio::test]
async fn copies_that_make_no_sense_are_refused() -> Result<(), Error> {
    let (_region, client) = bucket().await?;
    let etag = put(&client, "a", "x").await?;
    let copy = |source: &str, key: &str| client.copy_object().copy_source(source).bucket(BUCKET).key(key);
    assert_eq!(refusal(copy("media/none", "b").send().await), (404, "NoSuchKey".to_owned()));
    assert_eq!(refusal(copy("no-bucket/a", "b").send().await), (404, "NoSuchBucket".to_owned()));
    assert_eq!(refusal(copy("media/a", "a").send().await), (400, "InvalidRequest".to_owned()));
    let changed = copy("media/a", "b").copy_source_if_match("\"0000\"").send().await;
    assert_eq!(refusal(changed), (412, "PreconditionFailed".to_owned()));
    assert_eq!(keys(&client).await?, ["a"]);
    ok("copy", copy("media/a", "b").copy_source_if_match(etag).send().await)?;
    let onto_itself = copy("media/a", "a").metadata_directive(MetadataDirective::Replace).metadata("new", "1");
    ok("copy", onto_itself.send().await)?;
    assert_eq!(get(&client, "a").await?, b"x");
    Ok(())
}

#[tokio::test]
async fn a_copy_of_a_multipart_object_is_one_piece() -> Result<(), Error> {
    let (region, client) = bucket().await?;
    testkit::fixtures::seed_multipart_object(&region, BUCKET, "parts", 1).await?;
    ok("copy", client.copy_object().copy_source("media/parts").bucket(BUCKET).key("whole").send().await)?;
    let head = |key: &str| client.head_object().bucket(BUCKET).key(key).checksum_mode(ChecksumMode::Enabled);
    let (parts, whole) = (ok("head", head("parts").send().await)?, ok("head", head("whole").send().await)?);
    assert!(parts.e_tag().is_some_and(|etag| etag.ends_with("-3\"")));
    assert!(whole.e_tag().is_some_and(|etag| !etag.contains('-')));
    assert!(whole.checksum_crc64_nvme().is_some());
    assert_eq!(whole.checksum_crc64_nvme(), parts.checksum_crc64_nvme());
    assert!(get(&client, "whole").await? == get(&client, "parts").await?);
    Ok(())
}
