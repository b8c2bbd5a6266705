//! The timestore from outside: its sink, its REST API, its file.

#![cfg(test)]

mod support;

mod activity;
mod before;
mod bounds;
mod datasets;
mod durability;
mod file_faults;
mod growth;
mod ingest;
mod limited;
mod openapi;
mod owners;
mod paging;
mod questions;
mod retention;
mod sandbox;
mod saved;
mod sink;
mod snapshot;
mod types;
mod usage;
