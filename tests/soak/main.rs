//! The soak: real `realmctl` processes on a real Postgres with a synchronous standby, or on SQLite on a disk that fills, real clients that
//! write all the time, and faults without pause. In the end every acknowledged write is where its tenant is, and nothing is anywhere else.
//!
//! Which faults strike, in which order and about when follows from the seed; what they hit does not, because time is real.

mod api;
mod catalogue;
mod clients;
mod faults;
mod fleet;
mod health;
mod movers;
mod observer;
mod options;
mod random;
mod report;
mod run;
mod stage;
mod verdict;

use std::process::ExitCode;

use clap::Parser;

use crate::options::Options;

#[tokio::main(flavor = "multi_thread", worker_threads = 4)]
async fn main() -> ExitCode {
    let options = Options::parse();
    match Box::pin(run::run(options)).await {
        Ok(report) => {
            println!("{}", report.json());
            eprintln!("{report}");
            if report.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("soak: {error}");
            ExitCode::FAILURE
        }
    }
}
