//! What a file is to Tidemark: where it stands, how its name is spelled, what is known of it, and
//! when it is the same file as before. Pure: no disk, no store, no HTTP.

mod facts;
mod moment;
pub mod name;
mod path;
mod word;

pub use facts::{
    Contents, Facts, Identity, InodeFacts, LongFact, LongText, OBJECT_DEVICE, ObjectFacts, Root,
    USUAL_CLASS,
};
pub use moment::Moment;
pub use path::{NodePath, PathError, is_own_name, join};
pub use word::{ObjectOwner, StorageClass};
