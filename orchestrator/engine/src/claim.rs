//! The statement that finds what to claim, for the workflows and for the tasks: what is due and not leased or paused, higher
//! priorities first, of one priority what has been due longest.

/// Begins a statement with the relation `due` of at most `$2` ids due at `$1`, locked. Rows that somebody else is claiming just
/// now are passed over. Each priority is looked up on its own in the index of what is due.
macro_rules! with_due {
    ($table:literal, $may_run:expr, $rest:expr) => {
        concat!(
            "WITH high AS MATERIALIZED (SELECT id FROM ",
            $table,
            " WHERE priority = 2 AND wake_at <= $1 AND wake_at IS NOT NULL AND paused = 0 AND lease_until <= $1 AND ",
            $may_run,
            " ORDER BY wake_at LIMIT $2 {skip_locked}), ",
            "normal AS MATERIALIZED (SELECT id FROM ",
            $table,
            " WHERE priority = 1 AND wake_at <= $1 AND wake_at IS NOT NULL AND paused = 0 AND lease_until <= $1 AND ",
            $may_run,
            " ORDER BY wake_at LIMIT (SELECT $2 - COUNT(*) FROM high) {skip_locked}), ",
            "low AS MATERIALIZED (SELECT id FROM ",
            $table,
            " WHERE priority = 0 AND wake_at <= $1 AND wake_at IS NOT NULL AND paused = 0 AND lease_until <= $1 AND ",
            $may_run,
            " ORDER BY wake_at LIMIT (SELECT $2 - (SELECT COUNT(*) FROM high) - COUNT(*) FROM normal) {skip_locked}), ",
            "due AS MATERIALIZED (SELECT id FROM high UNION ALL SELECT id FROM normal UNION ALL SELECT id FROM low) ",
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

pub(crate) use {any_due, with_due};
