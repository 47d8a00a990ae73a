//! Unfinished multipart uploads: their rows and those of their parts. The rules of completing one are in `multipart`.

use rusqlite::{Connection, OptionalExtension, Row, params};
use s3s::{S3Error, s3_error};
use serde::{Deserialize, Serialize};

use super::attributes::{Attributes, Tags};
use super::checksums::{Algorithm, Stored};
use super::contents;
use super::store::{Outcome, next_number, now_ms};
use super::versions::{from_json, json, key_of};

/// An upload that was created and neither completed nor aborted.
#[derive(Debug, Clone)]
pub(super) struct Upload {
    pub(super) id: String,
    pub(super) key: String,
    pub(super) initiated_ms: i64,
    pub(super) attributes: Attributes,
    pub(super) plan: Plan,
    pub(super) tags: Tags,
}

/// How the object's checksum is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Plan {
    pub(super) algorithm: Algorithm,
    pub(super) composite: bool,
    /// Whether the client named the algorithm; its parts must then carry it.
    pub(super) chosen: bool,
}

/// A part that was uploaded.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) number: i32,
    pub(super) content: i64,
    pub(super) size: u64,
    /// The MD5, in hexadecimal.
    pub(super) etag: String,
    pub(super) checksum: Stored,
    pub(super) modified_ms: i64,
}

const COLUMNS: &str = "id, key, initiated_ms, attributes, plan, tags";
const PART_COLUMNS: &str = "number, content, size, etag, checksum, modified_ms";

pub(super) fn create(
    connection: &Connection,
    (bucket, key): (&str, &str),
    attributes: &Attributes,
    plan: Plan,
    tags: &Tags,
) -> Outcome<String> {
    let sequence = next_number(connection)?;
    let id = blake3::hash(format!("upload {sequence} {}", now_ms()).as_bytes()).to_hex()[..48].to_owned();
    let insert = format!("INSERT INTO uploads ({COLUMNS}, bucket, sequence) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)");
    connection.prepare_cached(&insert)?.execute(params![
        id,
        key.as_bytes(),
        now_ms(),
        json(attributes)?,
        json(&plan)?,
        json(tags)?,
        bucket,
        sequence
    ])?;
    Ok(id)
}

/// The upload, or `NoSuchUpload`.
pub(super) fn existing(connection: &Connection, bucket: &str, key: &str, id: &str) -> Outcome<Upload> {
    let select = format!("SELECT {COLUMNS} FROM uploads WHERE id = ?1 AND bucket = ?2 AND key = ?3");
    let found = connection.prepare_cached(&select)?.query_row(params![id, bucket, key.as_bytes()], read_row);
    Ok(found.optional()?.ok_or_else(|| s3_error!(NoSuchUpload))?)
}

/// Uploads from `(key, sequence)` on, exclusive, below `upper`, in S3's order: by key, then oldest first.
pub(super) fn after(
    connection: &Connection,
    bucket: &str,
    (key, sequence): (&[u8], i64),
    upper: &[u8],
    limit: usize,
) -> Outcome<Vec<Upload>> {
    let select = format!(
        "SELECT {COLUMNS} FROM uploads WHERE bucket = ?1 AND (key, sequence) > (?2, ?3) AND key < ?4
         ORDER BY key, sequence LIMIT ?5"
    );
    let mut statement = connection.prepare_cached(&select)?;
    let rows = statement.query_map(params![bucket, key, sequence, upper, limit], read_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The upload's place in its key's order; `None` when it is gone.
pub(super) fn sequence_of(connection: &Connection, id: &str) -> Outcome<Option<i64>> {
    let select = "SELECT sequence FROM uploads WHERE id = ?1";
    Ok(connection.prepare_cached(select)?.query_row([id], |row| row.get(0)).optional()?)
}

/// Stores a part, in place of an earlier one with its number.
pub(super) fn put_part(connection: &Connection, upload: &str, part: &Part) -> Outcome<()> {
    let earlier: Option<i64> = connection
        .prepare_cached("SELECT content FROM parts WHERE upload = ?1 AND number = ?2")?
        .query_row(params![upload, part.number], |row| row.get(0))
        .optional()?;
    if let Some(content) = earlier {
        contents::release(connection, content)?;
    }
    let size = i64::try_from(part.size).map_err(S3Error::internal_error)?;
    let insert = format!("INSERT OR REPLACE INTO parts ({PART_COLUMNS}, upload) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)");
    connection.prepare_cached(&insert)?.execute(params![
        part.number,
        part.content,
        size,
        part.etag,
        json(&part.checksum)?,
        part.modified_ms,
        upload
    ])?;
    Ok(())
}

/// Parts with a number above `after`, in order.
pub(super) fn parts(connection: &Connection, upload: &str, after: i32, limit: usize) -> Outcome<Vec<Part>> {
    let select = format!("SELECT {PART_COLUMNS} FROM parts WHERE upload = ?1 AND number > ?2 ORDER BY number LIMIT ?3");
    let mut statement = connection.prepare_cached(&select)?;
    let rows = statement.query_map(params![upload, after, limit], read_part)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Forgets the upload and its parts.
pub(super) fn remove(connection: &Connection, upload: &str) -> Outcome<()> {
    for part in parts(connection, upload, 0, usize::from(u16::MAX))? {
        contents::release(connection, part.content)?;
    }
    connection.execute("DELETE FROM parts WHERE upload = ?1", [upload])?;
    connection.execute("DELETE FROM uploads WHERE id = ?1", [upload])?;
    Ok(())
}

fn read_row(row: &Row<'_>) -> rusqlite::Result<Upload> {
    Ok(Upload {
        id: row.get(0)?,
        key: key_of(row, 1)?,
        initiated_ms: row.get(2)?,
        attributes: from_json(row, 3)?,
        plan: from_json(row, 4)?,
        tags: from_json(row, 5)?,
    })
}

fn read_part(row: &Row<'_>) -> rusqlite::Result<Part> {
    Ok(Part {
        number: row.get(0)?,
        content: row.get(1)?,
        size: row.get::<_, i64>(2)?.unsigned_abs(),
        etag: row.get(3)?,
        checksum: from_json(row, 4)?,
        modified_ms: row.get(5)?,
    })
}
