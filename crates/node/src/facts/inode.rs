//! What a disk says of a file beside its name, its contents and their times.

use journal::FileType;
use serde::{Deserialize, Serialize};

/// An access time is told again when it has moved by this much: so a file makes at most one entry a
/// day for being read.
const ACCESS_STEP_MS: u64 = 24 * 60 * 60 * 1_000;

/// What a disk says of a file beside its name, its contents and their times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InodeFacts {
    /// What kind of file it is.
    pub file_type: FileType,
    /// The user's id.
    pub uid: u32,
    /// The group's id.
    pub gid: u32,
    /// The permission bits, at most 0o7777.
    pub mode: u16,
    /// How many names it has; `None` for a directory, whose number tells of its children.
    pub links: Option<u32>,
    /// The bytes that it takes on disk; `None` for a directory, whose size tells of its children.
    pub allocated_bytes: Option<i64>,
    /// What stands for its access control lists and extended attributes, 0 for none; `None` where
    /// nobody has asked.
    #[serde(default)]
    pub attributes: Option<i64>,
    /// What stands for the text that a symlink points to, 0 for what is no symlink; `None` where nobody
    /// has asked.
    #[serde(default)]
    pub link_target: Option<i64>,
    /// When a regular file was last read, as the system says, in milliseconds since 1970; `None` for
    /// everything else, and where nobody has asked.
    #[serde(default)]
    pub accessed_ms: Option<i64>,
}

impl InodeFacts {
    /// Whether these differ from `before` in what is told. How many names a file has is not: each
    /// name is a node of its own, and tells of itself.
    pub(super) fn is_told_after(&self, before: &Self) -> bool {
        let links = before.links;
        let now = Self { links, ..*self };
        now.is_other_than(before) || self.was_read_since(before)
    }

    /// Whether the catalogue is to know these. Where a link points is to be read once.
    pub(super) fn is_news_after(&self, before: &Self, is_symlink: bool) -> bool {
        self.is_other_than(before)
            || self.was_read_since(before)
            || is_symlink && before.link_target.is_none()
    }

    /// Whether these differ from `before`, when it was read left aside. What nobody has asked for is
    /// what it was; and where nobody ever had, it is no news that there is none.
    pub(super) fn is_other_than(&self, before: &Self) -> bool {
        let now = self.settled(Some(before));
        let known_after = |before, now| match (before, now) {
            (None, Some(0)) => None,
            (_, now) => now,
        };
        let now = Self {
            attributes: known_after(before.attributes, now.attributes),
            link_target: known_after(before.link_target, now.link_target),
            accessed_ms: before.accessed_ms,
            ..now
        };
        now != *before
    }

    /// Whether it was read a day or more after what was told, or was not told yet.
    fn was_read_since(&self, before: &Self) -> bool {
        match (before.accessed_ms, self.accessed_ms) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(before), Some(now)) => before.abs_diff(now) >= ACCESS_STEP_MS,
        }
    }

    /// These, as they are kept after `before`: what nobody has asked again is what it was.
    pub(super) fn settled(&self, before: Option<&Self>) -> Self {
        Self {
            attributes: self
                .attributes
                .or_else(|| before.and_then(|before| before.attributes)),
            link_target: self
                .link_target
                .or_else(|| before.and_then(|before| before.link_target)),
            accessed_ms: self
                .accessed_ms
                .or_else(|| before.and_then(|before| before.accessed_ms)),
            ..*self
        }
    }
}
