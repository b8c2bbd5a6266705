//! The feed's tests: one binary.

#![cfg(test)]

mod ahead;
mod consumer;
mod follower;
mod memory;
mod model;
mod redis_bus;
