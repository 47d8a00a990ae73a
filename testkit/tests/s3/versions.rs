//! Versions, delete markers and the three states of versioning.

use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use testkit::Error;

use crate::{BUCKET, bucket, get, keys, ok, put, refusal};

async fn set(client: &Client, status: BucketVersioningStatus) -> Result<(), Error> {
    let wanted = VersioningConfiguration::builder().status(status).build();
    ok("set", client.put_bucket_versioning().bucket(BUCKET).versioning_configuration(wanted).send().await)?;
    Ok(())
}

/// (key, version id, latest, marker), as listed: versions, then markers.
async fn history(client: &Client) -> Result<Vec<(String, String, bool, bool)>, Error> {
    let listed = ok("list versions", client.list_object_versions().bucket(BUCKET).send().await)?;
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let versions = listed
        .versions()
        .iter()
        .map(|found| (text(found.key()), text(found.version_id()), found.is_latest() == Some(true), false));
    let markers = listed
        .delete_markers()
        .iter()
        .map(|found| (text(found.key()), text(found.version_id()), found.is_latest() == Some(true), true));
    Ok(versions.chain(markers).collect())
}

async fn put_version(client: &Client, key: &str, body: &'static str) -> Result<String, Error> {
    let body = aws_sdk_s3::primitives::ByteStream::from_static(body.as_bytes());
    let sent = ok("put", client.put_object().bucket(BUCKET).key(key).body(body).send().await)?;
    sent.version_id.ok_or_else(|| Error::plain("a put without version id"))
}

#[tokio::test]
async fn without_versioning_each_key_has_the_version_null() -> Result<(), Error> {
    let (_region, client) = bucket().await?;
    put(&client, "a", "1").await?;
    put(&client, "a", "2").await?;
    put(&client, "b", "1").await?;
    let wanted = [("a", "null", true, false), ("b", "null", true, false)];
    assert_eq!(
        history(&client).await?,
        wanted.map(|(key, id, latest, marker)| (key.into(), id.into(), latest, marker))
    );
    let status = ok("status", client.get_bucket_versioning().bucket(BUCKET).send().await)?;
    assert_eq!(status.status(), None);
    let head = ok("head", client.head_object().bucket(BUCKET).key("a").send().await)?;
    assert_eq!(head.version_id(), None);
    ok("delete", client.delete_object().bucket(BUCKET).key("a").version_id("null").send().await)?;
    ok("delete", client.delete_object().bucket(BUCKET).key("b").send().await)?;
    assert!(history(&client).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn with_versioning_nothing_is_lost_until_a_version_is_named() -> Result<(), Error> {
    let (_region, client) = bucket().await?;
    put(&client, "k", "before").await?;
    set(&client, BucketVersioningStatus::Enabled).await?;
    let one = put_version(&client, "k", "one").await?;
    let two = put_version(&client, "k", "two").await?;
    let deleted = ok("delete", client.delete_object().bucket(BUCKET).key("k").send().await)?;
    assert_eq!(deleted.delete_marker(), Some(true));
    let marker = deleted.version_id.unwrap_or_default();
    let ids: Vec<String> = history(&client).await?.into_iter().map(|entry| entry.1).collect();
    assert_eq!(ids, [two.clone(), one.clone(), "null".to_owned(), marker.clone()], "newest first, markers apart");
    assert!(keys(&client).await?.is_empty());

    let hidden = client.get_object().bucket(BUCKET).key("k").send().await.err();
    assert!(hidden.is_some_and(|error| {
        error.code() == Some("NoSuchKey")
            && error.raw_response().and_then(|raw| raw.headers().get("x-amz-delete-marker")) == Some("true")
    }));
    let at_marker = client.get_object().bucket(BUCKET).key("k").version_id(&marker).send().await;
    assert_eq!(refusal(at_marker), (405, "MethodNotAllowed".to_owned()));
    for (id, content) in [("null", "before"), (&*one, "one"), (&*two, "two")] {
        let got = ok("get", client.get_object().bucket(BUCKET).key("k").version_id(id).send().await)?;
        let body = got.body.collect().await.map_err(|error| Error::new("read", error))?;
        assert_eq!(body.to_vec(), content.as_bytes());
    }
    let unmarked = client.delete_object().bucket(BUCKET).key("k").version_id(&marker).send().await;
    assert_eq!(ok("unmark", unmarked)?.delete_marker(), Some(true));
    assert_eq!(get(&client, "k").await?, b"two", "the version below the marker is the latest again");
    for id in [&two, &one] {
        ok("delete", client.delete_object().bucket(BUCKET).key("k").version_id(id).send().await)?;
    }
    assert_eq!(get(&client, "k").await?, b"before");
    let gone = client.get_object().bucket(BUCKET).key("k").version_id(&one).send().await;
    assert_eq!(refusal(gone), (404, "NoSuchVersion".to_owned()));
    Ok(())
}

#[tokio::test]
async fn suspended_versioning_writes_over_the_version_null() -> Result<(), Error> {
    let (_region, client) = bucket().await?;
    set(&client, BucketVersioningStatus::Enabled).await?;
    let kept = put_version(&client, "k", "kept").await?;
    set(&client, BucketVersioningStatus::Suspended).await?;
    assert_eq!(put_version(&client, "k", "first").await?, "null");
    assert_eq!(put_version(&client, "k", "second").await?, "null");
    assert_eq!(get(&client, "k").await?, b"second");
    ok("delete", client.delete_object().bucket(BUCKET).key("k").send().await)?;
    let wanted = [("k".to_owned(), kept, false, false), ("k".to_owned(), "null".to_owned(), true, true)];
    assert_eq!(history(&client).await?, wanted);
    Ok(())
}

#[tokio::test]
async fn versions_are_listed_by_pages_prefix_and_delimiter() -> Result<(), Error> {
    let (_region, client) = bucket().await?;
    set(&client, BucketVersioningStatus::Enabled).await?;
    for key in ["a", "dir/1", "dir/2", "z"] {
        for _ in 0..3 {
            put(&client, key, "x").await?;
        }
        ok("delete", client.delete_object().bucket(BUCKET).key(key).send().await)?;
    }
    for size in 1..=17 {
        for (delimiter, wanted) in [(None, 16), (Some("/".to_owned()), 9)] {
            let (mut key, mut version, mut seen) = (None, None, Vec::new());
            for _ in 0..=16 {
                let list = client.list_object_versions().bucket(BUCKET).max_keys(size).set_delimiter(delimiter.clone());
                let page = ok("list", list.set_key_marker(key).set_version_id_marker(version).send().await)?;
                seen.extend(page.versions().iter().map(|found| format!("{:?}{:?}", found.key(), found.version_id())));
                seen.extend(
                    page.delete_markers().iter().map(|found| format!("{:?}{:?}", found.key(), found.version_id())),
                );
                seen.extend(page.common_prefixes().iter().map(|found| format!("{:?}", found.prefix())));
                if page.is_truncated() != Some(true) {
                    break;
                }
                (key, version) = (page.next_key_marker, page.next_version_id_marker);
            }
            let count = seen.len();
            seen.sort();
            seen.dedup();
            assert_eq!((count, seen.len()), (wanted, wanted), "pages of {size}, {delimiter:?}");
        }
    }
    let below = ok("list", client.list_object_versions().bucket(BUCKET).prefix("dir/2").send().await)?;
    assert_eq!((below.versions().len(), below.delete_markers().len()), (3, 1));
    Ok(())
}

#[tokio::test]
async fn a_batch_delete_takes_version_ids() -> Result<(), Error> {
    use aws_sdk_s3::types::{Delete, ObjectIdentifier};
    let (_region, client) = bucket().await?;
    set(&client, BucketVersioningStatus::Enabled).await?;
    for key in ["a", "b"] {
        put(&client, key, "1").await?;
        put(&client, key, "2").await?;
    }
    let plain = ObjectIdentifier::builder().key("a").build().map_err(|error| Error::new("name", error))?;
    let delete = Delete::builder().objects(plain).build().map_err(|error| Error::new("build", error))?;
    let marked = ok("mark", client.delete_objects().bucket(BUCKET).delete(delete).send().await)?;
    assert_eq!(marked.deleted().first().and_then(|one| one.delete_marker()), Some(true));
    assert_eq!(history(&client).await?.len(), 5);
    let all = history(&client)
        .await?
        .into_iter()
        .map(|(key, id, _, _)| ObjectIdentifier::builder().key(key).version_id(id).build());
    let all = all.collect::<Result<Vec<_>, _>>().map_err(|error| Error::new("name", error))?;
    let delete = Delete::builder().set_objects(Some(all)).build().map_err(|error| Error::new("build", error))?;
    ok("delete", client.delete_objects().bucket(BUCKET).delete(delete).send().await)?;
    assert!(history(&client).await?.is_empty());
    Ok(())
}
