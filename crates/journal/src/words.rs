//! The closed lists of words that events and nodes use: each is one spelling in JSON, SQL and Rust.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$vmeta])* #[serde(rename = $text)] $variant,)+ }

        impl $name {
            /// Every value, in order.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The word in JSON and SQL.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// The value of this word.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($text => Some(Self::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(self.as_str()) }
        }
    };
}

words! {
    /// What a node is. A symlink is a file whose target nobody follows.
    NodeKind {
        /// A regular file, a symlink, or a special file.
        File = "file",
        /// A directory.
        Directory = "directory",
    }
}
words! {
    /// What kind of file it is, as the disk says.
    FileType {
        /// A regular file, or an object of a bucket.
        Regular = "regular",
        /// A directory.
        Directory = "directory",
        /// A symlink.
        Symlink = "symlink",
        /// A named pipe.
        Fifo = "fifo",
        /// A socket.
        Socket = "socket",
        /// A character device.
        Character = "character",
        /// A block device.
        Block = "block",
    }
}
words! {
    /// Where a node is in its life.
    NodeState {
        /// It is there and agrees with the disk.
        Active = "active",
        /// It was seen to differ from the disk and is not reconciled yet.
        Inconsistent = "inconsistent",
        /// The disk no longer has it, and nobody deleted it by a command.
        Missing = "missing",
        /// It was deleted.
        Deleted = "deleted",
    }
}
words! {
    /// What the last comparison with the disk said.
    ConsistencyState {
        /// Node and disk agree.
        Active = "active",
        /// They differ.
        Inconsistent = "inconsistent",
        /// The disk does not have it.
        Missing = "missing",
    }
}
words! {
    /// Why a node was compared with the disk.
    ReconcileReason {
        /// It was seen to differ.
        Drift = "drift",
        /// A periodic comparison.
        Audit = "audit",
        /// A person asked.
        Manual = "manual",
    }
}
words! {
    /// Where a reconciliation job is.
    JobStatus {
        /// Waiting.
        Queued = "queued",
        /// Under way.
        Running = "running",
        /// Done.
        Succeeded = "succeeded",
        /// Ended by an error.
        Failed = "failed",
        /// Nothing to do.
        Skipped = "skipped",
        /// Stopped before its end.
        Cancelled = "cancelled",
    }
}
