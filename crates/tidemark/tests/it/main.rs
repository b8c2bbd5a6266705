//! Tests of the executable from outside, and of its configuration from within.

#![cfg(test)]

mod books;
mod commands;
mod config;
mod deployment;
mod docs;
mod e2e_books;
mod e2e_journal;
mod e2e_outage;
<<<<<<< HEAD
mod e2e_slow_book;
=======
mod e2e_rebuild;
>>>>>>> 1817512 (Show the consumers, and rebuild and replay by command line)
mod fake;
mod files;
mod help;
mod openapi;
mod verify;
