//! timestore
