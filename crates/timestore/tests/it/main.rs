//! The timestore from outside: its sink, its REST API, its file.

#![cfg(test)]

mod support;

mod activity;
mod durability;
mod file_faults;
mod growth;
mod ingest;
mod openapi;
mod questions;
mod retention;
mod sandbox;
mod saved;
mod sink;
mod snapshot;
