//! Any UTF-8 key of up to 1,024 bytes names an object of its own.

use crate::{BUCKET, bucket, get, keys, ok, put, refusal};
use testkit::Error;

const ODD: [&str; 24] = [
    "a//b",
    "a/b",
    "/a",
    "//",
    "trail/",
    "trail",
    "dir",
    "dir/child",
    "dir/child/",
    ".",
    "..",
    "../up",
    "a/./b",
    "a/../b",
    "with space",
    " leading and trailing ",
    "plus+plus",
    "percent%20",
    "%",
    "ünï/日本語/🦀",
    "e\u{301}",
    "é",
    "<&>\"'",
    "?x=1&y=2#z",
];

#[tokio::test]
async fn odd_keys_are_told_apart() -> Result<(), Error> {
    let (_region, client) = bucket().await?;
    for key in ODD {
        put(&client, key, format!("content of {key}")).await?;
    }
    for key in ODD {
        assert_eq!(get(&client, key).await?, format!("content of {key}").into_bytes(), "{key:?}");
    }
    let mut sorted = ODD.map(str::to_owned).to_vec();
    sorted.sort();
    assert_eq!(keys(&client).await?, sorted, "listed in the order of the keys' bytes");
    for key in ODD {
        ok("delete", client.delete_object().bucket(BUCKET).key(key).send().await)?;
        assert!(!keys(&client).await?.contains(&key.to_owned()), "{key:?} is still there");
    }
    assert!(keys(&client).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn odd_keys_survive_a_batch_delete() -> Result<(), Error> {
    use aws_sdk_s3::types::{Delete, ObjectIdentifier};
    let (_region, client) = bucket().await?;
    for key in ODD {
        put(&client, key, "x").await?;
    }
    put(&client, "stays", "x").await?;
    let named = ODD.map(|key| ObjectIdentifier::builder().key(key).build());
    let named = named.into_iter().collect::<Result<Vec<_>, _>>().map_err(|error| Error::new("name", error))?;
    let delete = Delete::builder().set_objects(Some(named)).build().map_err(|error| Error::new("build", error))?;
    let deleted = ok("delete", client.delete_objects().bucket(BUCKET).delete(delete).send().await)?;
    assert_eq!((deleted.deleted().len(), deleted.errors().len()), (ODD.len(), 0));
    assert_eq!(keys(&client).await?, ["stays"]);
    Ok(())
}

#[tokio::test]
async fn a_key_may_have_1024_bytes_and_no_more() -> Result<(), Error> {
    let (_region, client) = bucket().await?;
    let longest = "é".repeat(512);
    put(&client, &longest, "x").await?;
    assert_eq!(keys(&client).await?, [&*longest]);
    let too_long = format!("{longest}a");
    let refused = client.put_object().bucket(BUCKET).key(too_long).send().await;
    assert_eq!(refusal(refused), (400, "KeyTooLongError".to_owned()));
    Ok(())
}

#[tokio::test]
async fn long_segments_are_fine() -> Result<(), Error> {
    let (_region, client) = bucket().await?;
    let key = "x".repeat(1000);
    put(&client, &key, "long").await?;
    assert_eq!(get(&client, &key).await?, b"long");
    Ok(())
}
