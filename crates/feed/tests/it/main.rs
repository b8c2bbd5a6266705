//! The feed's tests: one binary.

#![cfg(test)]

mod ahead;
mod consumer;
mod flight;
mod follower;
mod health;
mod redis_access;
mod redis_bus;
mod shared;
