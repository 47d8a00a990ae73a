//! Versions of objects: their rows, and which one is the latest. In a bucket that never had versioning, each key has
//! one version, called `null`.

use rusqlite::{Connection, OptionalExtension, Row, params};
use s3s::{S3Error, s3_error};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::attributes::{Attributes, Tags};
use super::buckets::Versioning;
use super::checksums::Stored;
use super::contents;
use super::store::{Outcome, next_number, now_ms};

/// The version id of what was written without versioning.
pub(super) const NULL: &str = "null";

/// What a row says.
#[derive(Debug, Clone)]
pub(super) struct Version {
    pub(super) rank: i64,
    pub(super) key: String,
    pub(super) version_id: String,
    pub(super) latest: bool,
    /// A delete marker: no content, and the key reads as missing while it is the latest.
    pub(super) marker: bool,
    pub(super) modified_ms: i64,
    pub(super) body: Body,
    pub(super) tags: Tags,
}

/// An object without its name and history: what a copy takes over.
#[derive(Debug, Clone, Default)]
pub(super) struct Body {
    pub(super) content: i64,
    pub(super) size: u64,
    /// Without quotes.
    pub(super) etag: String,
    pub(super) attributes: Attributes,
    pub(super) checksum: Option<Stored>,
}

/// What a write or a delete did, as the answer names it.
#[derive(Debug, Clone, Default)]
pub(super) struct Written {
    /// `None` in a bucket that never had versioning.
    pub(super) version_id: Option<String>,
    pub(super) marker: bool,
}

pub(super) const COLUMNS: &str =
    "rank, key, version_id, latest, marker, modified_ms, content, size, etag, attributes, checksum, tags";

/// The latest version, be it a delete marker.
pub(super) fn latest(connection: &Connection, bucket: &str, key: &str) -> Outcome<Option<Version>> {
    let select = format!("SELECT {COLUMNS} FROM versions WHERE bucket = ?1 AND key = ?2 AND latest = 1");
    Ok(connection.prepare_cached(&select)?.query_row(params![bucket, key.as_bytes()], read_row).optional()?)
}

/// The version with this id.
pub(super) fn by_id(connection: &Connection, bucket: &str, key: &str, version_id: &str) -> Outcome<Option<Version>> {
    let select = format!("SELECT {COLUMNS} FROM versions WHERE bucket = ?1 AND key = ?2 AND version_id = ?3");
    let found = connection.prepare_cached(&select)?.query_row(params![bucket, key.as_bytes(), version_id], read_row);
    Ok(found.optional()?)
}

/// The object a request names, or the error S3 gives: for a key without one, and for a delete marker.
pub(super) fn readable(connection: &Connection, bucket: &str, key: &str, version_id: Option<&str>) -> Outcome<Version> {
    let found = match version_id {
        Some(id) => by_id(connection, bucket, key, id)?.ok_or_else(|| s3_error!(NoSuchVersion))?,
        None => {
            latest(connection, bucket, key)?.ok_or_else(|| s3_error!(NoSuchKey, "The specified key does not exist."))?
        }
    };
    if !found.marker {
        return Ok(found);
    }
    let mut error = match version_id {
        Some(_) => s3_error!(MethodNotAllowed),
        None => s3_error!(NoSuchKey, "The specified key does not exist."),
    };
    let mut headers = hyper::HeaderMap::new();
    headers.insert("x-amz-delete-marker", hyper::header::HeaderValue::from_static("true"));
    error.set_headers(headers);
    Err(error.into())
}

/// Makes `body` the latest version of the key, by the rules of the bucket's versioning.
pub(super) fn write(
    connection: &Connection,
    (bucket, versioning): (&str, Versioning),
    key: &str,
    body: Option<&Body>,
    tags: &Tags,
) -> Outcome<Written> {
    let number = next_number(connection)?;
    let version_id = match versioning {
        Versioning::Enabled => blake3::hash(&number.to_le_bytes()).to_hex()[..32].to_owned(),
        Versioning::Never | Versioning::Suspended => {
            remove_version(connection, bucket, key, NULL)?;
            NULL.to_owned()
        }
    };
    let demote = "UPDATE versions SET latest = 0 WHERE bucket = ?1 AND key = ?2 AND latest = 1";
    connection.prepare_cached(demote)?.execute(params![bucket, key.as_bytes()])?;
    let marker = body.is_none();
    let nothing = Body::default();
    let body = body.unwrap_or(&nothing);
    let insert = format!("INSERT INTO versions ({COLUMNS}, bucket) VALUES (?1,?2,?3,1,?4,?5,?6,?7,?8,?9,?10,?11,?12)");
    connection.prepare_cached(&insert)?.execute(params![
        -number,
        key.as_bytes(),
        version_id,
        marker,
        now_ms(),
        body.content,
        i64::try_from(body.size).map_err(S3Error::internal_error)?,
        body.etag,
        json(&body.attributes)?,
        json(&body.checksum)?,
        json(tags)?,
        bucket,
    ])?;
    let shown = (versioning != Versioning::Never).then_some(version_id);
    Ok(Written { version_id: shown, marker })
}

/// Deletes the key: its only version, or, under versioning, by a delete marker on top.
pub(super) fn delete(connection: &Connection, bucket: &str, versioning: Versioning, key: &str) -> Outcome<Written> {
    if versioning == Versioning::Never {
        remove_version(connection, bucket, key, NULL)?;
        return Ok(Written::default());
    }
    write(connection, (bucket, versioning), key, None, &Tags::new())
}

/// Deletes one version for good; the next newest becomes the latest. Deleting what is not there is no error.
pub(super) fn remove_version(connection: &Connection, bucket: &str, key: &str, version_id: &str) -> Outcome<Written> {
    let Some(version) = by_id(connection, bucket, key, version_id)? else {
        return Ok(Written { version_id: Some(version_id.to_owned()), marker: false });
    };
    connection.prepare_cached("DELETE FROM versions WHERE rank = ?1")?.execute([version.rank])?;
    contents::release(connection, version.body.content)?;
    if version.latest {
        let promote = "UPDATE versions SET latest = 1 WHERE rank =
            (SELECT rank FROM versions WHERE bucket = ?1 AND key = ?2 ORDER BY rank LIMIT 1)";
        connection.prepare_cached(promote)?.execute(params![bucket, key.as_bytes()])?;
    }
    Ok(Written { version_id: Some(version.version_id), marker: version.marker })
}

/// Replaces a version's tags.
pub(super) fn set_tags(connection: &Connection, rank: i64, tags: &Tags) -> Outcome<()> {
    connection.execute("UPDATE versions SET tags = ?2 WHERE rank = ?1", params![rank, json(tags)?])?;
    Ok(())
}

/// Reads [`COLUMNS`].
pub(super) fn read_row(row: &Row<'_>) -> rusqlite::Result<Version> {
    Ok(Version {
        rank: row.get(0)?,
        key: key_of(row, 1)?,
        version_id: row.get(2)?,
        latest: row.get(3)?,
        marker: row.get(4)?,
        modified_ms: row.get(5)?,
        body: Body {
            content: row.get(6)?,
            size: row.get::<_, i64>(7)?.unsigned_abs(),
            etag: row.get(8)?,
            attributes: from_json(row, 9)?,
            checksum: from_json(row, 10)?,
        },
        tags: from_json(row, 11)?,
    })
}

/// A key column: a blob that holds UTF-8.
pub(super) fn key_of(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    let bytes: Vec<u8> = row.get(column)?;
    String::from_utf8(bytes).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Blob, Box::new(error))
    })
}

/// A column that holds JSON.
pub(super) fn from_json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    serde_json::from_str(row.get_ref(column)?.as_str()?).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
    })
}

pub(super) fn json<T: Serialize>(value: &T) -> Outcome<String> {
    Ok(serde_json::to_string(value).map_err(S3Error::internal_error)?)
}
