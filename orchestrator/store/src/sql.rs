//! One statement for both dialects: `$n` placeholders, bound values, marks for the two things in which the dialects
//! differ: `{rows}` (see [`Rows`]) and `{skip_locked}`, and one for conditions that may not be asked for: `{given AND …}`.

use std::borrow::Cow;

use sqlx::{AssertSqlSafe, Executor};

use crate::Millis;
use crate::error::StoreError;
use crate::postgres::PostgresTx;
use crate::row::Row;
use crate::rows::{Column, Rows};
use crate::tx::{Tx, TxInner};

/// Stands in the text for the bound [`Rows`].
const ROWS: &str = "{rows}";

/// Stands in the text where rows are to be locked, passing over those that somebody else has locked. SQLite needs nothing
/// there: its write transactions run one at a time.
const SKIP_LOCKED: &str = "{skip_locked}";

/// SQLite plans by the value that is bound as a limit, and prepares the statement anew whenever one is bound. A sum is not looked into.
const BOUND_LIMIT: &str = "LIMIT $";
const ADDED_LIMIT: &str = "LIMIT 0 + $";

/// Begins a condition that counts only if its value is given: `{given AND realm = $1}` is left out where `$1` is bound to NULL. Written
/// as `($1 IS NULL OR realm = $1)` it would keep SQLite from using an index.
const GIVEN: &str = "{given ";

/// The database's time in milliseconds, read when the expression is evaluated.
macro_rules! clock {
    () => {
        "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)"
    };
}
pub(crate) use clock;

/// A bound value. The schema uses integers (times are milliseconds) and text only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// BIGINT.
    Int(Option<i64>),
    /// TEXT.
    Text(Option<String>),
}

/// A statement with its values.
#[derive(Debug, Clone)]
#[must_use = "a statement does nothing until it is executed or fetched"]
pub struct Sql {
    text: &'static str,
    lock: Lock,
    values: Vec<Value>,
    rows: Option<Rows>,
}

/// Whether the selected rows are locked until the transaction ends. SQLite needs nothing for it: its write transactions run one
/// at a time (BEGIN IMMEDIATE).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lock {
    No,
    Rows,
    /// With the time in each row, read after that row was locked.
    RowsAndTime,
}

/// A statement; values are bound in the order of their `$n`.
pub fn sql(text: &'static str) -> Sql {
    Sql { text, lock: Lock::No, values: Vec::new(), rows: None }
}

type Query<DB> = sqlx::query::Query<'static, DB, <DB as sqlx::Database>::Arguments>;

/// A query of one dialect with the single values bound. A macro, because the two dialects' queries are different types.
macro_rules! bound {
    ($dialect:ty, $text:expr, $values:expr) => {
        // Both halves of an expanded text are of this program; values are bound.
        $values.into_iter().fold(sqlx::query::<$dialect>(AssertSqlSafe($text)), |query, value| match value {
            Value::Int(value) => query.bind(value),
            Value::Text(value) => query.bind(value),
        })
    };
}

impl Value {
    fn is_null(&self) -> bool {
        matches!(self, Self::Int(None) | Self::Text(None))
    }
}

/// The text with those of its conditions whose values are given.
fn with_given(text: &'static str, values: &[Value]) -> Cow<'static, str> {
    if !text.contains(GIVEN) {
        return Cow::Borrowed(text);
    }
    let mut parts = text.split(GIVEN);
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (condition, rest) = part.split_once('}').unwrap_or((part, ""));
        let number = condition.split_once('$').map_or("", |(_, after)| after);
        let number: String = number.chars().take_while(char::is_ascii_digit).collect();
        let value = number.parse::<usize>().ok().and_then(|number| values.get(number.checked_sub(1)?));
        if value.is_none_or(|value| !value.is_null()) {
            whole.push_str(condition);
        }
        whole.push_str(rest);
    }
    Cow::Owned(whole)
}

impl Sql {
    /// Binds the next `$n`.
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Locks the selected rows until the transaction ends.
    pub fn for_update(mut self) -> Self {
        self.lock = Lock::Rows;
        self
    }

    /// Binds what `{rows}` in the text stands for. Single values keep their `$n`.
    pub fn rows(mut self, rows: Rows) -> Self {
        self.rows = Some(rows);
        self
    }

    fn for_sqlite(self) -> Query<sqlx::Sqlite> {
        let mut text = with_given(self.text, &self.values);
        if let Some(rows) = &self.rows {
            text = Cow::Owned(text.replace(ROWS, &rows.as_json_each(self.values.len() + 1)));
        }
        if text.contains(SKIP_LOCKED) {
            text = Cow::Owned(text.replace(SKIP_LOCKED, ""));
        }
        if text.contains(BOUND_LIMIT) {
            text = Cow::Owned(text.replace(BOUND_LIMIT, ADDED_LIMIT));
        }
        let query = bound!(sqlx::Sqlite, text, self.values);
        match self.rows {
            Some(rows) => query.bind(rows.to_json()),
            None => query,
        }
    }

    /// `named`: whether the statement may keep its name in the session, and so its plan.
    fn for_postgres(self, named: bool) -> Query<sqlx::Postgres> {
        let mut text = with_given(self.text, &self.values);
        if let Some(rows) = &self.rows {
            text = Cow::Owned(text.replace(ROWS, &rows.as_arrays(self.values.len() + 1)));
        }
        if text.contains(SKIP_LOCKED) {
            text = Cow::Owned(text.replace(SKIP_LOCKED, "FOR UPDATE SKIP LOCKED"));
        }
        match self.lock {
            Lock::No => {}
            Lock::Rows => text.to_mut().push_str(" FOR UPDATE"),
            // A subquery that locks is never merged into the one around it, which therefore reads the clock with the lock held.
            Lock::RowsAndTime => {
                text = Cow::Owned(format!(
                    "SELECT locked.*, {} AS locked_at FROM ({text} FOR UPDATE) AS locked",
                    clock!()
                ));
            }
        }
        let columns = self.rows.into_iter().flat_map(Rows::into_columns);
        columns.fold(bound!(sqlx::Postgres, text, self.values).persistent(named), |query, column| match column {
            Column::Int(cells) => query.bind(cells),
            Column::Text(cells) => query.bind(cells),
        })
    }

    /// Runs the statement and returns how many rows it changed.
    pub async fn execute(self, tx: &mut Tx) -> Result<u64, StoreError> {
        match &mut tx.inner {
            TxInner::Sqlite(tx) => Ok((&mut **tx).execute(self.for_sqlite()).await?.rows_affected()),
            TxInner::Postgres(PostgresTx { tx, named, with_server, .. }) => {
                Ok(with_server.answer((&mut **tx).execute(self.for_postgres(*named))).await?.rows_affected())
            }
        }
    }

    /// Runs the statement; fails unless it changed exactly one row, with the error that `otherwise` makes.
    pub async fn execute_one<E: From<StoreError>>(self, tx: &mut Tx, otherwise: impl FnOnce() -> E) -> Result<(), E> {
        match self.execute(tx).await? {
            1 => Ok(()),
            _ => Err(otherwise()),
        }
    }

    /// All rows. Callers bound their number in the statement.
    pub async fn fetch_all(self, tx: &mut Tx) -> Result<Vec<Row>, StoreError> {
        match &mut tx.inner {
            TxInner::Sqlite(tx) => {
                Ok((&mut **tx).fetch_all(self.for_sqlite()).await?.into_iter().map(Row::from).collect())
            }
            TxInner::Postgres(PostgresTx { tx, named, with_server, .. }) => {
                let rows = with_server.answer((&mut **tx).fetch_all(self.for_postgres(*named))).await?;
                Ok(rows.into_iter().map(Row::from).collect())
            }
        }
    }

    /// All rows, locked until the transaction ends, and the time once the last of them was locked.
    pub async fn fetch_locked(mut self, tx: &mut Tx) -> Result<(Vec<Row>, Millis), StoreError> {
        if !tx.asks_the_database() {
            let rows = self.for_update().fetch_all(tx).await?;
            return Ok((rows, tx.now().await?));
        }
        self.lock = Lock::RowsAndTime;
        let rows = self.fetch_all(tx).await?;
        let now = match rows.last() {
            Some(last) => last.int("locked_at")?,
            None => tx.now().await?,
        };
        Ok((rows, now))
    }

    /// The first row, if there is one.
    pub async fn fetch_optional(self, tx: &mut Tx) -> Result<Option<Row>, StoreError> {
        Ok(self.fetch_all(tx).await?.into_iter().next())
    }

    /// The only row of a statement that always returns one, such as an aggregate.
    pub async fn fetch_one(self, tx: &mut Tx) -> Result<Row, StoreError> {
        self.fetch_optional(tx).await?.ok_or_else(|| StoreError::Corrupt("a row is missing".to_owned()))
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}

impl From<Option<i64>> for Value {
    fn from(value: Option<i64>) -> Self {
        Self::Int(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(Some(value.to_owned()))
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(Some(value))
    }
}

impl From<&String> for Value {
    fn from(value: &String) -> Self {
        Self::Text(Some(value.clone()))
    }
}

impl From<Option<&str>> for Value {
    fn from(value: Option<&str>) -> Self {
        Self::Text(value.map(str::to_owned))
    }
}

impl From<Option<String>> for Value {
    fn from(value: Option<String>) -> Self {
        Self::Text(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_count_where_their_values_are_given() {
        let text = "SELECT 1 WHERE id > $2 {given AND realm = $1} {given AND at < $3} LIMIT $4";
        let filtered =
            |realm: Option<&str>, at: Option<i64>| with_given(text, &[realm.into(), 0.into(), at.into()]).into_owned();
        assert_eq!(filtered(Some("us"), Some(1)), "SELECT 1 WHERE id > $2 AND realm = $1 AND at < $3 LIMIT $4");
        assert_eq!(filtered(None, Some(1)), "SELECT 1 WHERE id > $2  AND at < $3 LIMIT $4");
        assert_eq!(filtered(None, None), "SELECT 1 WHERE id > $2   LIMIT $4");
        assert_eq!(with_given("SELECT $1", &[None::<i64>.into()]), "SELECT $1");
    }

    #[test]
    fn sqlite_is_not_asked_to_plan_by_the_value_of_a_limit() {
        let limited = sql("SELECT 1 FROM t ORDER BY id LIMIT $1").bind(7);
        assert_eq!(sqlx::Execute::sql(limited.for_sqlite()).as_str(), "SELECT 1 FROM t ORDER BY id LIMIT 0 + $1");
    }
}
