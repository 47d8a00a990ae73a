//! The bytes of objects and parts: contents made of extents, each a piece of a chunk.
//!
//! Contents share chunks, so that a copy or a completed upload moves no bytes. A chunk goes with its last extent.
//! No whole content is ever held in memory.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use rusqlite::{Connection, params};
use s3s::S3Error;

use super::store::{Outcome, Store, next_number};

/// Contents are stored, and streamed, in pieces of this many bytes.
pub(super) const CHUNK: usize = 1024 * 1024;

/// A content that nothing refers to yet: dropped unless it is kept.
#[derive(Debug)]
pub(super) struct Draft {
    store: Arc<Store>,
    content: i64,
    kept: bool,
}

impl Draft {
    pub(super) fn new(store: &Arc<Store>) -> Result<Self, S3Error> {
        let content = store.write(|transaction| next_number(transaction))?;
        Ok(Self { store: Arc::clone(store), content, kept: false })
    }

    pub(super) fn content(&self) -> i64 {
        self.content
    }

    /// Call it when a committed row refers to the content.
    pub(super) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        if let Err(error) = self.store.write(|transaction| release(transaction, self.content)) {
            tracing::warn!(%error, "an abandoned content stays until the store is opened again");
        }
    }
}

/// Adds bytes at `start`, the content's present length. At most [`CHUNK`] at a time.
pub(super) fn append(connection: &Connection, content: i64, start: u64, bytes: &[u8]) -> Outcome<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    connection.prepare_cached("INSERT INTO chunks (bytes) VALUES (?1)")?.execute([bytes])?;
    let chunk = connection.last_insert_rowid();
    let extent = "INSERT INTO extents (content, start, length, chunk, chunk_offset) VALUES (?1, ?2, ?3, ?4, 0)";
    connection.prepare_cached(extent)?.execute(params![content, signed(start), bytes.len(), chunk])?;
    Ok(())
}

/// Makes `range` of one content appear in another from `at` on, without copying bytes.
pub(super) fn share(connection: &Connection, from: i64, range: &Range<u64>, to: i64, at: u64) -> Outcome<()> {
    let (first, end, at) = (signed(range.start), signed(range.end), signed(at));
    let share = "
        INSERT INTO extents (content, start, length, chunk, chunk_offset)
        SELECT ?1, ?2 + max(start, ?3) - ?3, min(start + length, ?4) - max(start, ?3),
               chunk, chunk_offset + max(start, ?3) - start
        FROM extents WHERE content = ?5 AND start < ?4 AND start + length > ?3";
    connection.prepare_cached(share)?.execute(params![to, at, first, end, from])?;
    Ok(())
}

/// Lets go of a content, and of the chunks nothing else uses.
pub(super) fn release(connection: &Connection, content: i64) -> Outcome<()> {
    let chunks: Vec<i64> = connection
        .prepare_cached("SELECT chunk FROM extents WHERE content = ?1")?
        .query_map([content], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    connection.prepare_cached("DELETE FROM extents WHERE content = ?1")?.execute([content])?;
    let unused = "DELETE FROM chunks WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM extents WHERE chunk = ?1)";
    for chunk in chunks {
        connection.prepare_cached(unused)?.execute([chunk])?;
    }
    Ok(())
}

/// The bytes of `range`, which the caller keeps small.
pub(super) fn read(connection: &Connection, content: i64, range: &Range<u64>) -> Outcome<Bytes> {
    let select = "
        SELECT extents.start, length, chunk_offset, bytes FROM extents JOIN chunks ON chunks.id = chunk
        WHERE content = ?1 AND start < ?3
          AND start >= (SELECT max(start) FROM extents WHERE content = ?1 AND start <= ?2)
        ORDER BY start";
    let mut statement = connection.prepare_cached(select)?;
    let mut rows = statement.query(params![content, signed(range.start), signed(range.end)])?;
    let mut bytes = Vec::new();
    while let Some(row) = rows.next()? {
        let (start, length, offset): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let chunk = row.get_ref(3)?.as_blob().map_err(rusqlite::Error::from)?;
        let first = unsigned(offset) + range.start.saturating_sub(unsigned(start));
        let end = unsigned(offset) + unsigned(length).min(range.end - unsigned(start));
        bytes.extend_from_slice(&chunk[index(first)..index(end)]);
    }
    Ok(bytes.into())
}

/// The bytes of `range` in pieces of at most [`CHUNK`], each read when it is asked for.
pub(super) fn pieces(
    store: Arc<Store>,
    content: i64,
    range: Range<u64>,
) -> impl Stream<Item = Result<Bytes, S3Error>> + Send {
    let starts: Vec<u64> = (range.start..range.end).step_by(CHUNK).collect();
    stream::iter(starts).map(move |start| {
        let piece = start..range.end.min(start + CHUNK as u64);
        store.read(|connection| read(connection, content, &piece))
    })
}

fn signed(offset: u64) -> i64 {
    i64::try_from(offset).unwrap_or(i64::MAX)
}

fn unsigned(stored: i64) -> u64 {
    stored.unsigned_abs()
}

fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}
