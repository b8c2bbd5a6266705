//! End-to-end benchmarks, each path beside its raw engine in the same run on the same rows.
//!
//! Every measurement runs in a fresh process of this executable ([`task`]), so that its peak of
//! memory is its own and no path inherits another's caches. The parent ([`plan`]) lays out what is
//! measured, runs a path and its raw engine by turns, takes the median of the rounds, and prints
//! ([`report`]).
//!
//! What is real is called as the executable `tidemark` calls it: the consumer of `feed` with the
//! sinks of `metastore` and `timestore`, the scan and the REST API of `filestore`. What is raw
//! shares nothing with it but the tables and the settings of the engine, so that a faster sink does
//! not make its own yardstick faster.
//!
//! Deliberately not here: whether the results are right. Tests and `tidemark verify` say that.

mod args;
mod books;
mod catch_up;
mod growth;
mod listing;
mod live;
mod memory;
mod outcome;
mod plan;
mod raw;
mod renamed;
mod report;
mod scan;
mod search;
mod source;
mod synthetic;
mod task;
mod tree;
mod usage;
mod watch;

use args::Args;
use clap::Parser as _;
use std::process::ExitCode;

/// The allocator of the executable `tidemark`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = Args::parse();
    let result = match &args.worker {
        Some(task) => task::work(task),
        None => plan::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
