//! The feed's tests: one binary.

#![cfg(test)]

use soak::memory;

mod ahead;
mod consumer;
mod follower;
mod model;
mod redis_bus;
