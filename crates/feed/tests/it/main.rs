//! The feed's tests: one binary.

mod follower;
mod memory;
mod model;
