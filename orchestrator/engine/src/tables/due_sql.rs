//! The statement that finds what to claim, for the workflows and for the tasks: what is due and not leased or paused, first what
//! keeps a tenant offline, then higher priorities, of one priority what has been due longest.

use store::Millis;

/// What to claim, and for whom.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// Who takes it.
    pub owner: &'a str,
    /// For how long.
    pub lease: Millis,
    /// How much, at most.
    pub all: i64,
    /// How much of that may keep no tenant offline.
    pub any: i64,
}

/// Begins a statement with the relation `due` of at most `$2` ids due at `$1`, locked; at most `$3` of them keep no tenant offline.
/// Rows that somebody else is claiming just now are passed over. What keeps a tenant offline comes first, then each priority; each
/// is looked up on its own in the index of what is due.
macro_rules! with_due {
    ($table:literal, $may_run:expr, $rest:expr) => {
        concat!(
            "WITH offline AS MATERIALIZED (SELECT id FROM ",
            $table,
            " WHERE keeps_offline = 1 AND wake_at <= $1 AND wake_at IS NOT NULL AND paused = 0 AND lease_until <= $1 AND ",
            $may_run,
            " ORDER BY wake_at LIMIT $2 {skip_locked}), ",
            "room AS MATERIALIZED (SELECT CASE WHEN $2 - COUNT(*) < $3 THEN $2 - COUNT(*) ELSE $3 END AS room FROM offline), ",
            "high AS MATERIALIZED (SELECT id FROM ",
            $table,
            " WHERE priority = 2 AND keeps_offline = 0 AND wake_at <= $1 AND wake_at IS NOT NULL AND paused = 0 \
             AND lease_until <= $1 AND ",
            $may_run,
            " ORDER BY wake_at LIMIT (SELECT room FROM room) {skip_locked}), ",
            "normal AS MATERIALIZED (SELECT id FROM ",
            $table,
            " WHERE priority = 1 AND keeps_offline = 0 AND wake_at <= $1 AND wake_at IS NOT NULL AND paused = 0 \
             AND lease_until <= $1 AND ",
            $may_run,
            " ORDER BY wake_at LIMIT (SELECT (SELECT room FROM room) - COUNT(*) FROM high) {skip_locked}), ",
            "low AS MATERIALIZED (SELECT id FROM ",
            $table,
            " WHERE priority = 0 AND keeps_offline = 0 AND wake_at <= $1 AND wake_at IS NOT NULL AND paused = 0 \
             AND lease_until <= $1 AND ",
            $may_run,
            " ORDER BY wake_at LIMIT (SELECT (SELECT room FROM room) - (SELECT COUNT(*) FROM high) - COUNT(*) FROM normal) \
             {skip_locked}), ",
            "due AS MATERIALIZED (SELECT id FROM offline UNION ALL SELECT id FROM high UNION ALL SELECT id FROM normal \
             UNION ALL SELECT id FROM low) ",
            $rest
        )
    };
}

/// Whether anything is due at `$1`: a look without a lock.
macro_rules! any_due {
    ($table:literal, $may_run:expr) => {
        concat!(
            "SELECT 1 AS due FROM ",
            $table,
            " WHERE priority IN (0, 1, 2) AND wake_at <= $1 AND wake_at IS NOT NULL AND paused = 0 AND lease_until <= $1 AND ",
            $may_run,
            " LIMIT 1"
        )
    };
}

/// What of what is due at `$1` keeps a tenant offline: at most `$2` rows, without a lock.
macro_rules! offline_due {
    ($table:literal, $may_run:expr) => {
        concat!(
            "SELECT COUNT(*) AS due FROM (SELECT 1 AS one FROM ",
            $table,
            " WHERE keeps_offline = 1 AND wake_at <= $1 AND wake_at IS NOT NULL AND paused = 0 AND lease_until <= $1 AND ",
            $may_run,
            " LIMIT $2) AS found"
        )
    };
}

pub(crate) use {any_due, offline_due, with_due};
