//! How long a move takes: `estimate` says it before the move begins, `running` while it runs, with an interval, and `budget_check`
//! decides whether it can still keep its offline budget. Only the last changes what a move does; `course` asks it.

pub(crate) mod budget_check;
pub(crate) mod budget_watch;
pub(crate) mod estimate;
pub(crate) mod running;
pub(crate) mod work;
