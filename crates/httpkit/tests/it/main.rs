//! The HTTP edge on real listeners: one binary.
#![cfg(test)]

mod connections;
mod deadline;
mod listen;
mod log;
mod operations;
mod problems;
mod service;
mod shutdown;
mod tokens;
