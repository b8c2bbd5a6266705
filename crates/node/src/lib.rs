//! What a file is to Tidemark: where it stands, how its name is spelled, what is known of it, and
//! when it is the same file as before. Pure: no disk, no store, no HTTP.

mod facts;
pub mod name;
mod path;

pub use facts::{Facts, Identity, OBJECT_DEVICE};
pub use path::{NodePath, PathError, is_own_name, join};
