//! Put, get, head, delete and tags.

use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{Delete, ObjectIdentifier, Tag, Tagging};
use testkit::Error;

use crate::{BUCKET, bucket, get, noise, ok, put, refusal};

#[tokio::test]
async fn contents_of_all_sizes_come_back() -> Result<(), Error> {
    let (_region, client) = bucket().await?;
    const MIB: usize = 1024 * 1024;
    for size in [0, 1, 1000, MIB - 1, MIB, MIB + 1, 3 * MIB, 5 * MIB + 17] {
        let bytes = noise(size);
        put(&client, "sized", bytes.clone()).await?;
        let head = ok("head", client.head_object().bucket(BUCKET).key("sized").send().await)?;
        assert_eq!(head.content_length, i64::try_from(size).ok());
        assert!(get(&client, "sized").await? == bytes, "{size} bytes came back different");
    }
    Ok(())
}

#[tokio::test]
async fn a_streamed_body_comes_back() -> Result<(), Error> {
    let (_region, client) = bucket().await?;
    let folder = tempfile::tempdir().map_err(|error| Error::new("make a folder", error))?;
    let path = folder.path().join("body");
    let bytes = noise(2_500_000);
    std::fs::write(&path, &bytes).map_err(|error| Error::new("write", error))?;
    let body = ByteStream::from_path(&path).await.map_err(|error| Error::new("open", error))?;
    ok("put", client.put_object().bucket(BUCKET).key("streamed").body(body).send().await)?;
    assert!(get(&client, "streamed").await? == bytes);
    Ok(())
}

#[tokio::test]
async fn an_etag_is_the_md5() -> Result<(), Error> {
    let (_region, client) = bucket().await?;
    assert_eq!(put(&client, "hello", "hello").await?, "\"5d41402abc4b2a76b9719d911017c592\"");
    assert_eq!(put(&client, "empty", "").await?, "\"d41d8cd98f00b204e9800998ecf8427e\"");
    Ok(())
}

#[tokio::test]
async fn headers_and_metadata_come_back() -> Result<(), Error> {
    let (_region, client) = bucket().await?;
    let sent = client
        .put_object()
        .bucket(BUCKET)
        .key("k")
        .body(ByteStream::from_static(b"{}"))
        .content_type("application/json; charset=utf-8")
        .cache_control("max-age=60")
        .content_disposition("attachment; filename=\"x.json\"")
        .content_encoding("gzip")
        .content_language("de-DE, en")
        .expires(DateTime::from_secs(1_893_456_000))
        .metadata("Owner", "Someone")
        .metadata("json", "{\"a\": 1}");
    ok("put", sent.send().await)?;
    let got = ok("get", client.get_object().bucket(BUCKET).key("k").send().await)?;
    let head = ok("head", client.head_object().bucket(BUCKET).key("k").send().await)?;
    assert_eq!(got.content_type(), Some("application/json; charset=utf-8"));
    assert_eq!(got.cache_control(), Some("max-age=60"));
    assert_eq!(got.content_disposition(), Some("attachment; filename=\"x.json\""));
    assert_eq!(got.content_encoding(), Some("gzip"));
    assert_eq!(got.content_language(), Some("de-DE, en"));
    assert_eq!(got.expires_string(), Some("Tue, 01 Jan 2030 00:00:00 GMT"));
    let metadata = got.metadata().cloned().unwrap_or_default();
    assert_eq!(metadata.get("owner").map(String::as_str), Some("Someone"), "names are small letters");
    assert_eq!(metadata.get("json").map(String::as_str), Some("{\"a\": 1}"));
    assert_eq!((head.content_type(), head.metadata()), (got.content_type(), got.metadata()));
    assert_eq!((head.e_tag(), head.expires_string()), (got.e_tag(), got.expires_string()));
    assert_eq!(head.content_encoding(), got.content_encoding());
    Ok(())
}

#[tokio::test]
async fn a_later_put_replaces_everything() -> Result<(), Error> {
    let (_region, client) = bucket().await?;
    let first = client.put_object().bucket(BUCKET).key("k").metadata("a", "1").tagging("t=1").cache_control("no-store");
    ok("put", first.send().await)?;
    put(&client, "k", "second").await?;
    let got = ok("head", client.head_object().bucket(BUCKET).key("k").send().await)?;
    assert_eq!((got.cache_control(), got.metadata().is_none_or(|all| all.is_empty())), (None, true));
    let tags = ok("tags", client.get_object_tagging().bucket(BUCKET).key("k").send().await)?;
    assert!(tags.tag_set().is_empty());
    Ok(())
}

#[tokio::test]
async fn too_much_metadata_is_refused() -> Result<(), Error> {
    let (_region, client) = bucket().await?;
    let sent = client.put_object().bucket(BUCKET).key("k").metadata("big", "x".repeat(2048));
    assert_eq!(refusal(sent.send().await), (400, "MetadataTooLarge".to_owned()));
    Ok(())
}

#[tokio::test]
async fn ranges_are_cut_across_chunks() -> Result<(), Error> {
    let (_region, client) = bucket().await?;
    let bytes = noise(3 * 1024 * 1024 + 5);
    put(&client, "k", bytes.clone()).await?;
    let size = bytes.len();
    let ranges = [
        ("bytes=0-0".to_owned(), 0..1),
        ("bytes=1048570-1048590".to_owned(), 1_048_570..1_048_591),
        ("bytes=1048576-".to_owned(), 1_048_576..size),
        ("bytes=-7".to_owned(), size - 7..size),
        (format!("bytes=10-{}", size * 2), 10..size),
    ];
    for (header, wanted) in ranges {
        let got = ok("get", client.get_object().bucket(BUCKET).key("k").range(&header).send().await)?;
        assert_eq!(got.content_range(), Some(&*format!("bytes {}-{}/{size}", wanted.start, wanted.end - 1)));
        let body = got.body.collect().await.map_err(|error| Error::new("read", error))?.to_vec();
        assert!(body == bytes[wanted], "{header}");
    }
    let beyond = client.get_object().bucket(BUCKET).key("k").range(format!("bytes={size}-")).send().await;
    assert_eq!(refusal(beyond), (416, "InvalidRange".to_owned()));
    Ok(())
}

#[tokio::test]
async fn what_is_not_there_is_named() -> Result<(), Error> {
    let (_region, client) = bucket().await?;
    let missing = client.get_object().bucket(BUCKET).key("missing").send().await;
    assert_eq!(refusal(missing), (404, "NoSuchKey".to_owned()));
    let head = client.head_object().bucket(BUCKET).key("missing").send().await;
    assert!(head.is_err_and(|error| error.as_service_error().is_some_and(|known| known.is_not_found())));
    let bucket = client.get_object().bucket("no-such-bucket").key("k").send().await;
    assert_eq!(refusal(bucket), (404, "NoSuchBucket".to_owned()));
    let bucket = client.put_object().bucket("no-such-bucket").key("k").send().await;
    assert_eq!(refusal(bucket), (404, "NoSuchBucket".to_owned()));
    let tags = client.get_object_tagging().bucket(BUCKET).key("missing").send().await;
    assert_eq!(refusal(tags), (404, "NoSuchKey".to_owned()));
    ok("delete", client.delete_object().bucket(BUCKET).key("missing").send().await)?;
    Ok(())
}

#[tokio::test]
async fn tags_are_set_read_and_cleared() -> Result<(), Error> {
    let (_region, client) = bucket().await?;
    ok("put", client.put_object().bucket(BUCKET).key("k").tagging("a=1&b%20c=%C3%A4%2B+x&empty=").send().await)?;
    let read = |client: aws_sdk_s3::Client| async move {
        let tags = ok("tags", client.get_object_tagging().bucket(BUCKET).key("k").send().await)?;
        Ok::<_, Error>(tags.tag_set.into_iter().map(|tag| (tag.key, tag.value)).collect::<Vec<_>>())
    };
    let wanted = [("a", "1"), ("b c", "ä+ x"), ("empty", "")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(read(client.clone()).await?, wanted);
    let got = ok("get", client.get_object().bucket(BUCKET).key("k").send().await)?;
    assert_eq!(got.tag_count(), Some(3));
    let tag = Tag::builder().key("only").value("one").build().map_err(|error| Error::new("build", error))?;
    let tagging = Tagging::builder().tag_set(tag).build().map_err(|error| Error::new("build", error))?;
    ok("tag", client.put_object_tagging().bucket(BUCKET).key("k").tagging(tagging).send().await)?;
    assert_eq!(read(client.clone()).await?, [("only".to_owned(), "one".to_owned())]);
    ok("untag", client.delete_object_tagging().bucket(BUCKET).key("k").send().await)?;
    assert!(read(client.clone()).await?.is_empty());
    let eleven: Vec<String> = (0..11).map(|number| format!("k{number}=v")).collect();
    let refused = client.put_object().bucket(BUCKET).key("k").tagging(eleven.join("&")).send().await;
    assert_eq!(refusal(refused), (400, "InvalidTag".to_owned()));
    Ok(())
}

#[tokio::test]
async fn conditions_are_kept() -> Result<(), Error> {
    let (_region, client) = bucket().await?;
    let etag = put(&client, "k", "one").await?;
    let again = client.put_object().bucket(BUCKET).key("k").if_none_match("*").send().await;
    assert_eq!(refusal(again), (412, "PreconditionFailed".to_owned()));
    ok("put", client.put_object().bucket(BUCKET).key("new").if_none_match("*").send().await)?;
    let other = client.put_object().bucket(BUCKET).key("k").if_match("\"0000\"").send().await;
    assert_eq!(refusal(other), (412, "PreconditionFailed".to_owned()));
    ok("get", client.get_object().bucket(BUCKET).key("k").if_match(&etag).send().await)?;
    let unchanged = client.get_object().bucket(BUCKET).key("k").if_none_match(&etag).send().await;
    assert_eq!(refusal(unchanged).0, 304);
    let changed = client.get_object().bucket(BUCKET).key("k").if_match("\"0000\"").send().await;
    assert_eq!(refusal(changed).0, 412);
    assert_eq!(get(&client, "k").await?, b"one");
    Ok(())
}

#[tokio::test]
async fn a_batch_delete_may_be_quiet_and_takes_a_thousand() -> Result<(), Error> {
    let (_region, client) = bucket().await?;
    for key in ["a", "b", "c"] {
        put(&client, key, "x").await?;
    }
    let delete = |count: usize, quiet: bool| {
        let named = (0..count).map(|number| match number {
            0 => ObjectIdentifier::builder().key("a").build(),
            1 => ObjectIdentifier::builder().key("b").build(),
            _ => ObjectIdentifier::builder().key(format!("none-{number}")).build(),
        });
        let named = named.collect::<Result<Vec<_>, _>>().map_err(|error| Error::new("name", error))?;
        Delete::builder().set_objects(Some(named)).quiet(quiet).build().map_err(|error| Error::new("build", error))
    };
    let deleted = client.delete_objects().bucket(BUCKET).delete(delete(1000, true)?).send().await;
    let deleted = ok("delete", deleted)?;
    assert!(deleted.deleted().is_empty() && deleted.errors().is_empty());
    assert_eq!(crate::keys(&client).await?, ["c"]);
    let too_many = client.delete_objects().bucket(BUCKET).delete(delete(1001, true)?).send().await;
    assert_eq!(refusal(too_many), (400, "MalformedXML".to_owned()));
    Ok(())
}

#[tokio::test]
async fn a_reader_gets_the_whole_object_although_it_is_deleted_meanwhile() -> Result<(), Error> {
    let (_region, client) = bucket().await?;
    let bytes = noise(20 * 1024 * 1024);
    put(&client, "k", bytes.clone()).await?;
    let got = ok("get", client.get_object().bucket(BUCKET).key("k").send().await)?;
    ok("delete", client.delete_object().bucket(BUCKET).key("k").send().await)?;
    put(&client, "k", "other").await?;
    let body = got.body.collect().await.map_err(|error| Error::new("read", error))?.to_vec();
    assert!(body == bytes);
    assert_eq!(get(&client, "k").await?, b"other");
    Ok(())
}
