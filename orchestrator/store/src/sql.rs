//! One statement for both dialects: `$n` placeholders, bound values, and the one suffix in which the dialects differ.

use sqlx::{AssertSqlSafe, Executor};

use crate::error::StoreError;
use crate::row::Row;
use crate::tx::{Tx, TxInner};

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
    postgres_suffix: &'static str,
    values: Vec<Value>,
}

/// A statement; values are bound in the order of their `$n`.
pub fn sql(text: &'static str) -> Sql {
    Sql { text, postgres_suffix: "", values: Vec::new() }
}

/// A query of one dialect with all values bound. A macro, because the two dialects' queries are different types.
macro_rules! bound {
    ($dialect:ty, $text:expr, $values:expr) => {
        $values.into_iter().fold(sqlx::query::<$dialect>($text), |query, value| match value {
            Value::Int(value) => query.bind(value),
            Value::Text(value) => query.bind(value),
        })
    };
}

impl Sql {
    /// Binds the next `$n`.
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Locks the selected rows until the transaction ends. SQLite needs no suffix: its write transactions run one at a
    /// time (BEGIN IMMEDIATE).
    pub fn for_update(mut self) -> Self {
        self.postgres_suffix = " FOR UPDATE";
        self
    }

    /// Like [`Sql::for_update`], and passes over rows that somebody else has locked.
    pub fn for_update_skip_locked(mut self) -> Self {
        self.postgres_suffix = " FOR UPDATE SKIP LOCKED";
        self
    }

    /// Runs the statement and returns how many rows it changed.
    pub async fn execute(self, tx: &mut Tx) -> Result<u64, StoreError> {
        match &mut tx.inner {
            TxInner::Sqlite(tx) => {
                Ok((&mut **tx).execute(bound!(sqlx::Sqlite, self.text, self.values)).await?.rows_affected())
            }
            TxInner::Postgres(tx) => {
                Ok((&mut **tx).execute(bound!(sqlx::Postgres, self.text, self.values)).await?.rows_affected())
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
                let rows = (&mut **tx).fetch_all(bound!(sqlx::Sqlite, self.text, self.values)).await?;
                Ok(rows.into_iter().map(Row::from).collect())
            }
            TxInner::Postgres(tx) => {
                // Both halves are 'static text of this program; values are bound.
                let text = AssertSqlSafe(format!("{}{}", self.text, self.postgres_suffix));
                let rows = (&mut **tx).fetch_all(bound!(sqlx::Postgres, text, self.values)).await?;
                Ok(rows.into_iter().map(Row::from).collect())
            }
        }
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
