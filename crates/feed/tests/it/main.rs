//! The feed's tests: one binary.

mod consumer;
mod follower;
mod memory;
mod model;
mod redis_bus;
