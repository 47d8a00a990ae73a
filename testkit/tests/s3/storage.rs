//! Bytes nobody can reach any more do not stay in the store.

use std::path::Path;

use aws_sdk_s3::primitives::ByteStream;
use rusqlite::Connection;
use testkit::region::s3_client;
use testkit::{Error, Ports, Region, Storage, fixtures, observe};

use crate::{BUCKET, get, keys, noise, ok, put};

fn on_disk(folder: &Path) -> Result<Region, Error> {
    Region::start("us-east-1", Storage::Disk(folder.to_owned()), Ports::Any)
}

/// Chunks and extents in the store's file.
fn stored(folder: &Path) -> Result<(i64, i64), Error> {
    let failed = |error| Error::new("look into the store", error);
    let connection = Connection::open(folder.join("s3.sqlite")).map_err(failed)?;
    let count = "SELECT (SELECT count(*) FROM chunks), (SELECT count(*) FROM extents)";
    connection.query_row(count, [], |row| Ok((row.get(0)?, row.get(1)?))).map_err(failed)
}

#[tokio::test]
async fn nothing_is_left_of_what_was_deleted_replaced_or_refused() -> Result<(), Error> {
    let folder = tempfile::tempdir().map_err(|error| Error::new("make a folder", error))?;
    let region = on_disk(folder.path())?;
    let client = s3_client(&region);
    fixtures::create_bucket(&client, BUCKET).await?;
    fixtures::seed_objects(&region, BUCKET, "acme/", 45, 1).await?;
    for _ in 0..3 {
        put(&client, "again", noise(3_000_000)).await?;
    }
    get(&client, "again").await?;
    let lie = client.put_object().bucket(BUCKET).key("lie").body(ByteStream::from(noise(3_000_000)));
    assert!(lie.checksum_crc32("AAAAAA==").send().await.is_err());
    ok("copy", client.copy_object().copy_source("media/again").bucket(BUCKET).key("copy").send().await)?;
    let upload = ok("create", client.create_multipart_upload().bucket(BUCKET).key("k").send().await)?;
    for _ in 0..2 {
        let part = client.upload_part().bucket(BUCKET).key("k").set_upload_id(upload.upload_id.clone()).part_number(1);
        ok("part", part.body(ByteStream::from(noise(2_000_000))).send().await)?;
    }
    let abort = client.abort_multipart_upload().bucket(BUCKET).key("k").set_upload_id(upload.upload_id);
    ok("abort", abort.send().await)?;
    assert!(stored(folder.path())?.0 > 45);
    for key in keys(&client).await? {
        ok("delete", client.delete_object().bucket(BUCKET).key(key).send().await)?;
    }
    assert_eq!(stored(folder.path())?, (0, 0));
    Ok(())
}

#[tokio::test]
async fn what_a_dead_process_left_is_swept() -> Result<(), Error> {
    let folder = tempfile::tempdir().map_err(|error| Error::new("make a folder", error))?;
    let region = on_disk(folder.path())?;
    let client = s3_client(&region);
    fixtures::create_bucket(&client, BUCKET).await?;
    put(&client, "kept", noise(1_500_000)).await?;
    let upload = ok("create", client.create_multipart_upload().bucket(BUCKET).key("unfinished").send().await)?;
    let part = client.upload_part().bucket(BUCKET).key("unfinished").set_upload_id(upload.upload_id).part_number(1);
    ok("part", part.body(ByteStream::from(noise(100))).send().await)?;
    drop(region);
    let before = stored(folder.path())?;
    // What a process leaves that dies while a body comes in: a content no row refers to.
    let failed = |error| Error::new("write into the store", error);
    let connection = Connection::open(folder.path().join("s3.sqlite")).map_err(failed)?;
    let orphan = "INSERT INTO chunks (id, bytes) VALUES (1000000, x'00');
                  INSERT INTO extents (content, start, length, chunk, chunk_offset) VALUES (-7, 0, 1, 1000000, 0)";
    connection.execute_batch(orphan).map_err(failed)?;
    drop(connection);

    let again = on_disk(folder.path())?;
    let client = s3_client(&again);
    assert_eq!(stored(folder.path())?, before);
    assert!(get(&client, "kept").await? == noise(1_500_000));
    assert_eq!(observe::unfinished_uploads(&client, BUCKET, "").await?.len(), 1, "an unfinished upload is data");
    Ok(())
}
