//! How long a move takes: `dry_run_estimate` says it before the move begins, `eta` while it runs, with an interval, and `budget_check`
//! decides whether it can still keep its offline budget. Only the last changes what a move does; `budget_watch` asks it.

pub(crate) mod budget_check;
pub(crate) mod budget_watch;
pub(crate) mod dry_run_estimate;
pub(crate) mod eta;
pub(crate) mod work;
