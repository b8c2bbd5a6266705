//! What a bucket says of an object beside its contents.

use crate::{ObjectOwner, StorageClass};
use serde::{Deserialize, Serialize};

/// What an object has that was put without a class being named.
pub const USUAL_CLASS: &str = "STANDARD";

/// What a bucket says of an object beside its contents. Everything is `None` for a file on a disk, and
/// where nobody has asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ObjectFacts {
    /// The class that it lies in.
    pub storage_class: Option<StorageClass>,
    /// The account that it belongs to.
    pub owner: Option<ObjectOwner>,
    /// What stands for its tags, 0 for none.
    pub tags: Option<i64>,
}

impl ObjectFacts {
    /// Those of what is no object.
    pub const NONE: Self = Self {
        storage_class: None,
        owner: None,
        tags: None,
    };

    /// Whether these differ from `before`. What nobody has asked for is what it was. Not everything
    /// tells the usual class (a HEAD leaves it out), and where nobody had asked for tags it is no news
    /// that there are none.
    pub(super) fn is_other_than(&self, before: &Self) -> bool {
        let has_other_class = match (before.storage_class, self.storage_class) {
            (_, None) => false,
            (None, Some(now)) => now.as_str() != USUAL_CLASS,
            (before, now) => before != now,
        };
        let has_other_tags = match (before.tags, self.tags) {
            (_, None) | (None, Some(0)) => false,
            (before, now) => before != now,
        };
        let has_other_owner = self.owner.is_some() && self.owner != before.owner;
        has_other_class || has_other_tags || has_other_owner
    }

    /// These, as they are kept after `before`: what nobody has asked again is what it was.
    pub(super) fn settled(&self, before: Option<&Self>) -> Self {
        let before = before.copied().unwrap_or(Self::NONE);
        Self {
            storage_class: self.storage_class.or(before.storage_class),
            owner: self.owner.or(before.owner),
            tags: self.tags.or(before.tags),
        }
    }
}
