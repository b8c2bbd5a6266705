//! The test edge, tested.
#![cfg(test)]

mod process;
mod proxy;
mod redis_server;
mod tree;
mod wait;
