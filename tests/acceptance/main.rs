//! The promises of realmctl (design P1 to P10), each proved by the tests of one file, on SQLite and on Postgres.

/// Runs an async test body once on each database.
macro_rules! on_both_databases {
    ($(#[$doc:meta])* $name:ident, $body:ident) => {
        $(#[$doc])*
        mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                super::$body(acceptance::Database::Sqlite).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                super::$body(acceptance::Database::Postgres).await;
            }
        }
    };
}

mod add_before_remove;
mod aliases;
mod approvals;
mod audit_chain;
mod audit_trail;
mod back_and_forth;
mod budgets;
mod campaigns;
mod causes;
mod clocks;
mod counts;
mod diverged_replicas;
mod divided_bucket;
mod engine_alone;
mod every_kind;
mod exact_copy;
mod expiring;
mod fail_anywhere;
mod hooks;
mod kill_anywhere;
mod late_writes;
mod late_writes_compared;
mod limits;
mod offline_lease;
mod one_active_move;
mod other_stores;
mod other_versions;
mod pauses;
mod postgres_server;
mod refusals;
mod regions_away;
mod rename_endpoint;
mod replica_sets;
mod reserved_slots;
mod sessions;
mod set_difference;
mod shard_count;
mod store_contract;
mod in_doubt_requests;
mod strange_tables;
mod stray_writers;
mod unfit;
mod unit_limits;
mod verification_modes;
