//! Multipart uploads, whole and broken.

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode, ChecksumType, CompletedMultipartUpload, CompletedPart};
use testkit::{Error, observe};

use crate::{BUCKET, bucket, get, keys, noise, ok, put, refusal};

const MIB: usize = 1024 * 1024;

/// With CRC32 of each part; without an algorithm S3 makes a CRC64NVME of the whole.
async fn create(client: &Client, key: &str) -> Result<String, Error> {
    let created = client.create_multipart_upload().bucket(BUCKET).key(key);
    let created = ok("create", created.checksum_algorithm(ChecksumAlgorithm::Crc32).send().await)?;
    created.upload_id.ok_or_else(|| Error::plain("an upload without id"))
}

async fn part(client: &Client, key: &str, upload: &str, number: i32, bytes: Vec<u8>) -> Result<CompletedPart, Error> {
    let sent = client.upload_part().bucket(BUCKET).key(key).upload_id(upload).part_number(number);
    let sent = ok("upload a part", sent.body(ByteStream::from(bytes)).send().await)?;
    let done = CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag);
    Ok(done.set_checksum_crc32(sent.checksum_crc32).build())
}

fn complete(
    client: &Client,
    key: &str,
    upload: &str,
    parts: Vec<CompletedPart>,
) -> aws_sdk_s3::operation::complete_multipart_upload::builders::CompleteMultipartUploadFluentBuilder {
    let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
    client.complete_multipart_upload().bucket(BUCKET).key(key).upload_id(upload).multipart_upload(parts)
}

#[tokio::test]
async fn parts_become_one_object() -> Result<(), Error> {
    let (_region, client) = bucket().await?;
    let created = client.create_multipart_upload().bucket(BUCKET).key("k").content_type("video/mp4");
    let created = ok("create", created.metadata("m", "1").tagging("t=1").send().await)?;
    let upload = created.upload_id.unwrap_or_default();
    let bytes = noise(11 * MIB + 3);
    let mut parts = Vec::new();
    // Out of order, and the second one twice: the later one counts.
    parts.push(part(&client, "k", &upload, 7, bytes[10 * MIB..].to_vec()).await?);
    part(&client, "k", &upload, 3, noise(5 * MIB)).await?;
    parts.insert(0, part(&client, "k", &upload, 3, bytes[5 * MIB..10 * MIB].to_vec()).await?);
    parts.insert(0, part(&client, "k", &upload, 1, bytes[..5 * MIB].to_vec()).await?);
    assert!(keys(&client).await?.is_empty(), "nothing is there before it is complete");
    let done = ok("complete", complete(&client, "k", &upload, parts).send().await)?;
    assert!(done.e_tag().is_some_and(|etag| etag.ends_with("-3\"")));
    let got = ok("get", client.get_object().bucket(BUCKET).key("k").send().await)?;
    assert_eq!((got.content_type(), got.tag_count(), got.e_tag()), (Some("video/mp4"), Some(1), done.e_tag()));
    assert!(got.metadata().is_some_and(|all| all.contains_key("m")));
    assert!(got.body.collect().await.map_err(|error| Error::new("read", error))?.to_vec() == bytes);
    let ranged = client.get_object().bucket(BUCKET).key("k").range("bytes=5242870-5242889").send().await;
    let ranged = ok("range", ranged)?.body.collect().await.map_err(|error| Error::new("read", error))?;
    assert_eq!(ranged.to_vec(), &bytes[5_242_870..5_242_890]);
    assert!(observe::unfinished_uploads(&client, BUCKET, "").await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_multipart_etag_and_checksum_are_made_of_the_parts() -> Result<(), Error> {
    let (_region, client) = bucket().await?;
    let upload = create(&client, "k").await?;
    let parts = vec![part(&client, "k", &upload, 1, b"hello".to_vec()).await?];
    let done = ok("complete", complete(&client, "k", &upload, parts).send().await)?;
    // MD5 of the bytes of MD5("hello"), and CRC32 of the bytes of CRC32("hello"), by another implementation.
    assert_eq!(done.e_tag(), Some("\"62109206880d38a4010a98e11243924a-1\""));
    assert_eq!(done.checksum_crc32(), Some("FKTmaw==-1"));
    let head = client.head_object().bucket(BUCKET).key("k").checksum_mode(ChecksumMode::Enabled).send().await;
    let head = ok("head", head)?;
    assert_eq!(head.checksum_type(), Some(&ChecksumType::Composite));
    assert_eq!(head.checksum_crc32(), Some("FKTmaw==-1"));
    Ok(())
}

#[tokio::test]
async fn a_full_object_checksum_is_that_of_the_whole() -> Result<(), Error> {
    let (_region, client) = bucket().await?;
    let bytes = noise(6 * MIB);
    put(&client, "whole", bytes.clone()).await?;
    let created = client.create_multipart_upload().bucket(BUCKET).key("k").checksum_type(ChecksumType::FullObject);
    let created = ok("create", created.checksum_algorithm(ChecksumAlgorithm::Crc32).send().await)?;
    let upload = created.upload_id.unwrap_or_default();
    let parts = vec![
        part(&client, "k", &upload, 1, bytes[..5 * MIB].to_vec()).await?,
        part(&client, "k", &upload, 2, bytes[5 * MIB..].to_vec()).await?,
    ];
    let wrong = complete(&client, "k", &upload, parts.clone()).checksum_crc32("AAAAAA==").send().await;
    assert_eq!(refusal(wrong), (400, "BadDigest".to_owned()));
    ok("complete", complete(&client, "k", &upload, parts).send().await)?;
    let head = |key: &str| client.head_object().bucket(BUCKET).key(key).checksum_mode(ChecksumMode::Enabled);
    let (joined, whole) = (ok("head", head("k").send().await)?, ok("head", head("whole").send().await)?);
    assert!(whole.checksum_crc32().is_some());
    assert_eq!(joined.checksum_crc32(), whole.checksum_crc32());
    Ok(())
}

#[tokio::test]
async fn full_object_checksums_of_every_algorithm_are_those_of_the_whole() -> Result<(), Error> {
    let (_region, client) = bucket().await?;
    let bytes = noise(11 * MIB + 3);
    for algorithm in [ChecksumAlgorithm::Crc32, ChecksumAlgorithm::Crc32C, ChecksumAlgorithm::Crc64Nvme] {
        let whole = client.put_object().bucket(BUCKET).key("whole").checksum_algorithm(algorithm.clone());
        ok("put", whole.body(bytes.clone().into()).send().await)?;
        let created = client.create_multipart_upload().bucket(BUCKET).key("k").checksum_type(ChecksumType::FullObject);
        let upload = ok("create", created.checksum_algorithm(algorithm.clone()).send().await)?.upload_id;
        let mut parts = Vec::new();
        for (number, piece) in (1..).zip(bytes.chunks(5 * MIB)) {
            let sent = client.upload_part().bucket(BUCKET).key("k").set_upload_id(upload.clone()).part_number(number);
            let sent = sent.checksum_algorithm(algorithm.clone()).body(piece.to_vec().into()).send().await;
            parts.push(CompletedPart::builder().part_number(number).set_e_tag(ok("part", sent)?.e_tag).build());
        }
        ok("complete", complete(&client, "k", &upload.unwrap_or_default(), parts).send().await)?;
        let head = |key: &str| client.head_object().bucket(BUCKET).key(key).checksum_mode(ChecksumMode::Enabled);
        let (joined, whole) = (ok("head", head("k").send().await)?, ok("head", head("whole").send().await)?);
        let sums = |head: &aws_sdk_s3::operation::head_object::HeadObjectOutput| {
            [head.checksum_crc32.clone(), head.checksum_crc32_c.clone(), head.checksum_crc64_nvme.clone()]
        };
        assert_eq!(sums(&joined), sums(&whole), "{algorithm}");
        assert_eq!(sums(&joined).iter().flatten().count(), 1, "{algorithm}");
    }
    Ok(())
}

#[tokio::test]
async fn wrong_parts_are_refused() -> Result<(), Error> {
    let (_region, client) = bucket().await?;
    let upload = create(&client, "k").await?;
    let small = part(&client, "k", &upload, 1, noise(100)).await?;
    let last = part(&client, "k", &upload, 2, noise(200)).await?;
    let code = |parts: Vec<CompletedPart>| {
        let request = complete(&client, "k", &upload, parts);
        async move { refusal(request.send().await).1 }
    };
    assert_eq!(code(vec![small.clone(), last.clone()]).await, "EntityTooSmall");
    assert_eq!(code(vec![last.clone(), small.clone()]).await, "InvalidPartOrder");
    assert_eq!(code(vec![]).await, "MalformedXML");
    let unknown = CompletedPart::builder().part_number(9).set_e_tag(small.e_tag.clone()).build();
    assert_eq!(code(vec![unknown]).await, "InvalidPart");
    let other =
        CompletedPart::builder().part_number(1).set_e_tag(last.e_tag.clone()).checksum_crc32("AAAAAA==").build();
    assert_eq!(code(vec![other]).await, "InvalidPart");
    let silent = CompletedPart::builder().part_number(1).set_e_tag(small.e_tag.clone()).build();
    assert_eq!(code(vec![silent]).await, "InvalidRequest", "a composite checksum needs that of each part");
    ok("complete", complete(&client, "k", &upload, vec![small]).send().await)?;
    assert_eq!(get(&client, "k").await?, noise(100));
    Ok(())
}

#[tokio::test]
async fn an_upload_ends_once() -> Result<(), Error> {
    let (_region, client) = bucket().await?;
    let upload = create(&client, "k").await?;
    let parts = vec![part(&client, "k", &upload, 1, b"x".to_vec()).await?];
    let abort = |upload: &str| client.abort_multipart_upload().bucket(BUCKET).key("k").upload_id(upload);
    ok("abort", abort(&upload).send().await)?;
    let gone = (404, "NoSuchUpload".to_owned());
    assert_eq!(refusal(abort(&upload).send().await), gone);
    assert_eq!(refusal(complete(&client, "k", &upload, parts).send().await), gone);
    let late = client.upload_part().bucket(BUCKET).key("k").upload_id(&upload).part_number(2).send().await;
    assert_eq!(refusal(late), gone);
    let elsewhere = create(&client, "k").await?;
    let wrong_key = client.list_parts().bucket(BUCKET).key("other").upload_id(&elsewhere).send().await;
    assert_eq!(refusal(wrong_key), gone);
    let number = client.upload_part().bucket(BUCKET).key("k").upload_id(&elsewhere).part_number(10_001).send().await;
    assert_eq!(refusal(number), (400, "InvalidArgument".to_owned()));
    assert!(keys(&client).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_part_with_a_bad_checksum_is_refused() -> Result<(), Error> {
    let (_region, client) = bucket().await?;
    let upload = create(&client, "k").await?;
    let lie = client.upload_part().bucket(BUCKET).key("k").upload_id(&upload).part_number(1);
    let lie = lie.body(ByteStream::from_static(b"x")).checksum_crc32("AAAAAA==").send().await;
    assert_eq!(refusal(lie), (400, "BadDigest".to_owned()));
    let listed = ok("list", client.list_parts().bucket(BUCKET).key("k").upload_id(&upload).send().await)?;
    assert!(listed.parts().is_empty());
    Ok(())
}

#[tokio::test]
async fn parts_are_listed_by_pages() -> Result<(), Error> {
    let (_region, client) = bucket().await?;
    let upload = create(&client, "k").await?;
    for number in [5, 1, 3, 2, 4] {
        part(&client, "k", &upload, number, noise(10 * usize::try_from(number).unwrap_or(0))).await?;
    }
    let list = || client.list_parts().bucket(BUCKET).key("k").upload_id(&upload).max_parts(2);
    let mut pages = Vec::new();
    let mut marker = None;
    for _ in 0..3 {
        let page = ok("list", list().set_part_number_marker(marker).send().await)?;
        let found = page.parts().iter().map(|part| (part.part_number().unwrap_or(0), part.size().unwrap_or(0)));
        pages.push((found.collect::<Vec<_>>(), page.is_truncated() == Some(true)));
        marker = page.next_part_number_marker;
    }
    assert_eq!(pages[0], (vec![(1, 10), (2, 20)], true));
    assert_eq!(pages[1], (vec![(3, 30), (4, 40)], true));
    assert_eq!(pages[2], (vec![(5, 50)], false));
    Ok(())
}

#[tokio::test]
async fn unfinished_uploads_are_listed_by_prefix_and_pages() -> Result<(), Error> {
    let (_region, client) = bucket().await?;
    let mut wanted = Vec::new();
    for key in ["acme/b", "acme/a", "acme/a", "acme-2/a", "z"] {
        wanted.push((key.to_owned(), create(&client, key).await?));
    }
    let acme = observe::unfinished_uploads(&client, BUCKET, "acme/").await?;
    let (b, first, second) = (&wanted[0], &wanted[1], &wanted[2]);
    assert_eq!(acme, [first.clone(), second.clone(), b.clone()], "by key, then the oldest first");
    assert_eq!(observe::unfinished_uploads(&client, BUCKET, "").await?.len(), 5);
    let (mut key, mut id, mut seen) = (None, None, Vec::new());
    for _ in 0..5 {
        let list = client.list_multipart_uploads().bucket(BUCKET).max_uploads(1);
        let page = ok("list", list.set_key_marker(key).set_upload_id_marker(id).send().await)?;
        seen.extend(page.uploads().iter().filter_map(|upload| upload.upload_id().map(str::to_owned)));
        (key, id) = (page.next_key_marker, page.next_upload_id_marker);
    }
    let mut all: Vec<String> = wanted.into_iter().map(|(_, id)| id).collect();
    all.sort();
    seen.sort();
    assert_eq!(seen, all);
    Ok(())
}

#[tokio::test]
async fn parts_can_be_copied_from_objects() -> Result<(), Error> {
    let (_region, client) = bucket().await?;
    let bytes = noise(8 * MIB);
    put(&client, "source ä", bytes.clone()).await?;
    let upload = create(&client, "k").await?;
    let mut parts = Vec::new();
    for (number, range) in [(1, (1, 6 * MIB)), (2, (0, 99))] {
        let copy = client.upload_part_copy().bucket(BUCKET).key("k").upload_id(&upload).part_number(number);
        let copy =
            copy.copy_source("media/source%20%C3%A4").copy_source_range(format!("bytes={}-{}", range.0, range.1));
        let result = ok("copy a part", copy.send().await)?.copy_part_result;
        let result = result.ok_or_else(|| Error::plain("a copy without result"))?;
        let done = CompletedPart::builder().part_number(number).set_e_tag(result.e_tag);
        parts.push(done.set_checksum_crc32(result.checksum_crc32).build());
    }
    let beyond = client.upload_part_copy().bucket(BUCKET).key("k").upload_id(&upload).part_number(3);
    let beyond = beyond.copy_source("media/source%20%C3%A4").copy_source_range(format!("bytes=0-{}", bytes.len()));
    assert_eq!(refusal(beyond.send().await), (400, "InvalidArgument".to_owned()));
    ok("complete", complete(&client, "k", &upload, parts).send().await)?;
    let wanted = [&bytes[1..=6 * MIB], &bytes[..100]].concat();
    assert!(get(&client, "k").await? == wanted);
    Ok(())
}
