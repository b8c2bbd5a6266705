//! What is on the disk or in the bucket: looked at, walked, read, changed, hashed.
//!
//! ```text
//! walk ──▶ Backend ◀── hash
//!            ▲
//!     ┌──────┴──────┐
//!    Disk         Bucket
//! ```
//!
//! Deliberately not here: what is known of files. This crate has no database and no HTTP of its
//! own, and knows neither nodes nor mounts.
//!
//! Start with [`Backend`] and [`walk`].

mod backend;
pub mod conformance;
pub mod disk;
mod error;
pub mod hash;
pub mod mountinfo;
pub mod s3;
pub mod walk;

pub use backend::{Backend, Directory, Kind, Opened, PathFacts};
pub use disk::{Disk, is_shared_type};
pub use error::{Error, Operation, Reason};
pub use s3::{Bucket, Buckets, ListingCache, Settings};

use std::path::PathBuf;

/// Where the bytes of a mount are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// In a directory of this machine.
    Directory(PathBuf),
    /// In a bucket, or a part of one.
    Bucket(Settings),
}
