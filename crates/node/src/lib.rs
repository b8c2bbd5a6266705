//! What a file is to Tidemark: where it stands, how its name is spelled, what is known of it, and
//! when it is the same file as before. Pure: no disk, no store, no HTTP.

mod facts;
mod moment;
pub mod name;
mod path;
mod storage_class;

pub use facts::{Contents, Facts, Identity, InodeFacts, OBJECT_DEVICE, Root, USUAL_CLASS};
pub use moment::Moment;
pub use path::{NodePath, PathError, is_own_name, join};
pub use storage_class::StorageClass;
