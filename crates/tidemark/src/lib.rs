//! The one executable: command line, configuration, wiring.
//!
//! ```text
//! command line, environment, tidemark.toml ──▶ config ──▶ args
//!                                                          ├─ dev, serve ──▶ services (opens and runs the three)
//!                                                          └─ the others ──▶ client ──REST──▶ services that run
//! ```
//!
//! It is a library only so that its tests can reach inside; nothing else is meant to depend on
//! it. Deliberately not here: anything about nodes, records or rows that a service could know.
//! Start with [`args::Cli`] and [`config::Config`].

pub mod args;
mod client;
mod commands;
pub mod config;
mod invocation;
mod lines;
mod output;
mod reading;
mod run;
pub mod services;
mod target;
mod telemetry;
mod verify;

pub use invocation::{Invocation, command, parse};
pub use run::main;
