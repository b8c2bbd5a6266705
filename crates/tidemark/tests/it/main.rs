//! Tests of the executable from outside, and of its configuration from within.

#![cfg(test)]

use soak::deployment;

mod books;
mod chaos;
mod commands;
mod config;
mod deploy;
mod docs;
mod e2e_access;
mod e2e_books;
mod e2e_bucket;
mod e2e_dead_letters;
mod e2e_faults;
mod e2e_hashing;
mod e2e_health;
mod e2e_journal;
mod e2e_outage;
mod e2e_rebuild;
mod e2e_rebuild_edges;
mod e2e_reconcile;
mod e2e_retention;
mod e2e_slow_book;
mod fake;
mod files;
mod first_answer;
mod help;
mod odd_names;
mod openapi;
mod verify;
