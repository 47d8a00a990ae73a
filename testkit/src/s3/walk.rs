//! Walks a bucket's keys in byte order, page by page, folding keys below a delimiter into common prefixes.
//!
//! A common prefix is stepped over by a seek, so that a folder of a million objects costs one row.

use rusqlite::{Connection, params};
use s3s::{S3Result, s3_error};

use super::checksums::{hex, unhex};
use super::store::Outcome;
use super::versions::{self, Version};

/// Where a walk goes on: at the first row whose (key, rank) is greater.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cursor {
    key: Vec<u8>,
    rank: i64,
}

/// One page of a walk.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) rows: Vec<Version>,
    pub(super) common_prefixes: Vec<String>,
    /// There is more, after this.
    pub(super) more: Option<Cursor>,
    /// The last entry of the page: its key and version, or a common prefix.
    last: Option<(String, Option<String>)>,
}

/// What a walk is asked for.
pub(super) struct Walk<'a> {
    pub(super) bucket: &'a str,
    pub(super) prefix: &'a str,
    pub(super) delimiter: Option<&'a str>,
    /// All versions and delete markers; otherwise only the latest, unless it is a marker.
    pub(super) history: bool,
    /// The page's size, common prefixes included.
    pub(super) most: usize,
}

impl Cursor {
    /// At `key` itself.
    pub(super) fn at(key: &[u8]) -> Self {
        Self { key: key.to_vec(), rank: i64::MIN }
    }

    /// Behind all versions of `key`.
    pub(super) fn past(key: &str) -> Self {
        Self { key: key.as_bytes().to_vec(), rank: i64::MAX }
    }

    /// A continuation token; opaque to clients.
    pub(super) fn to_token(&self) -> String {
        format!("{}-{}", hex(&self.key), hex(&self.rank.to_be_bytes()))
    }

    pub(super) fn of_token(token: &str) -> S3Result<Self> {
        let parsed = token.split_once('-').and_then(|(key, rank)| {
            let rank: [u8; 8] = unhex(rank)?.try_into().ok()?;
            Some(Self { key: unhex(key)?, rank: i64::from_be_bytes(rank) })
        });
        parsed.ok_or_else(|| s3_error!(InvalidArgument, "The continuation token provided is incorrect"))
    }
}

impl Walk<'_> {
    /// Where a listing of versions begins, by its markers.
    pub(super) fn marker(&self, connection: &Connection, key: Option<&str>, version: Option<&str>) -> Outcome<Cursor> {
        let Some(key) = key.filter(|key| !key.is_empty()) else { return Ok(Cursor::at(self.prefix.as_bytes())) };
        let version = version.filter(|version| !version.is_empty());
        if let Some(version) = version {
            let found = versions::by_id(connection, self.bucket, key, version)?;
            return Ok(found.map_or(Cursor::past(key), |found| Cursor { key: key.into(), rank: found.rank }));
        }
        // The marker may be a common prefix the last page ended with.
        match self.common_prefix(key) {
            Some(common) if common == key => Ok(Cursor::at(&past_prefix(common))),
            _ => Ok(Cursor::past(key)),
        }
    }

    /// The page that begins at `start`.
    pub(super) fn page(&self, connection: &Connection, start: Cursor) -> Outcome<Page> {
        let mut page = Page::default();
        if self.most == 0 {
            return Ok(page);
        }
        let mut cursor = start.max(Cursor::at(self.prefix.as_bytes()));
        loop {
            let room = self.most - page.rows.len() - page.common_prefixes.len();
            // Below a delimiter most rows may fold into the next common prefix: read few of them to find out.
            let limit = if self.delimiter.is_some() { (room + 1).min(16) } else { room + 1 };
            let rows = self.rows(connection, &cursor, limit)?;
            let complete = rows.len() < limit;
            let mut folded = false;
            for row in rows {
                if page.rows.len() + page.common_prefixes.len() == self.most {
                    page.more = Some(cursor);
                    return Ok(page);
                }
                if let Some(common) = self.common_prefix(&row.key) {
                    cursor = Cursor::at(&past_prefix(common));
                    page.last = Some((common.to_owned(), None));
                    page.common_prefixes.push(common.to_owned());
                    folded = true;
                    break;
                }
                cursor = Cursor { key: row.key.clone().into_bytes(), rank: row.rank };
                page.last = Some((row.key.clone(), Some(row.version_id.clone())));
                page.rows.push(row);
            }
            if complete && !folded {
                return Ok(page);
            }
        }
    }

    /// The part of `key` up to the first delimiter behind the prefix.
    fn common_prefix<'k>(&self, key: &'k str) -> Option<&'k str> {
        let delimiter = self.delimiter?;
        let rest = key.strip_prefix(self.prefix)?;
        let at = rest.find(delimiter)?;
        Some(&key[..self.prefix.len() + at + delimiter.len()])
    }

    fn rows(&self, connection: &Connection, cursor: &Cursor, limit: usize) -> Outcome<Vec<Version>> {
        // Two texts, so that the latest rows are found by their own index.
        let wanted = if self.history { "" } else { "AND latest = 1 AND marker = 0" };
        let columns = versions::COLUMNS;
        let select = format!(
            "SELECT {columns} FROM versions WHERE bucket = ?1 AND key >= ?2 AND (key > ?2 OR rank > ?3) AND key < ?4
             {wanted} ORDER BY key, rank LIMIT ?5"
        );
        let mut statement = connection.prepare_cached(&select)?;
        let upper = past_prefix(self.prefix);
        let found =
            statement.query_map(params![self.bucket, cursor.key, cursor.rank, upper, limit], versions::read_row)?;
        Ok(found.collect::<Result<_, _>>()?)
    }
}

impl Page {
    /// The markers by which a client asks for the next page of versions.
    pub(super) fn next_markers(&self) -> (Option<String>, Option<String>) {
        match &self.last {
            Some((key, version)) if self.more.is_some() => (Some(key.clone()), version.clone()),
            _ => (None, None),
        }
    }
}

/// The first byte string that comes after everything beginning with `prefix`.
pub(super) fn past_prefix(prefix: &str) -> Vec<u8> {
    let mut bytes = prefix.as_bytes().to_vec();
    match bytes.last_mut() {
        // UTF-8 has no byte 0xFF: there is room above every byte.
        Some(last) => *last += 1,
        None => bytes.push(0xFF),
    }
    bytes
}
