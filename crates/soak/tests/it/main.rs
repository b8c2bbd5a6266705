//! Soak's tests: one binary.

#![cfg(test)]

mod model;
