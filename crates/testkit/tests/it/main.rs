//! The test edge, tested.
#![cfg(test)]

mod file_fault;
mod mounts;
mod process;
mod proxy;
mod redis_server;
mod small_disk;
mod tree;
mod wait;
