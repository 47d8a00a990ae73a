//! All SQL of the engine, a file a table; `status_queries` looks from the side, for people.

pub(crate) mod due_sql;
pub(crate) mod held_row;
pub mod history;
pub mod in_doubt_table;
pub mod pause_table;
pub(crate) mod prune_table;
pub mod runner_table;
pub mod status_queries;
pub mod step_table;
pub mod task_table;
pub mod workflow_table;
