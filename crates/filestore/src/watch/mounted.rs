//! What is mounted at, above and below the roots of mounts.
//!
//! Something that is mounted over a directory hides what is watched in it, and no event tells.

use ::node::name::os_path;
use backend::mountinfo::{self, Mounted};
use catalogue::mounts::Mount;
use std::collections::HashMap;
use std::fs::File;

#[derive(Debug, Default)]
pub(super) struct MountPoints {
    seen: HashMap<i64, Vec<Mounted>>,
}

impl MountPoints {
    /// What ends a poll for urgent data when anything is mounted or unmounted.
    pub(super) fn open() -> Option<File> {
        let opened = File::open(mountinfo::PATH);
        if let Err(error) = &opened {
            let error = error as &dyn std::error::Error;
            tracing::warn!(
                error,
                "what is mounted over watched directories is not seen"
            );
        }
        opened.ok()
    }

    /// The mounts at whose roots, above or below them something else is mounted than before.
    pub(super) fn changed(&mut self, mounts: &[Mount]) -> Vec<i64> {
        let Ok(all) = mountinfo::all() else {
            return Vec::new();
        };
        let mut changed = Vec::new();
        let mut now = HashMap::new();
        for mount in mounts {
            let Some(root) = &mount.root_path else {
                continue;
            };
            let seen = mountinfo::seen_from(&all, &os_path(root));
            let seen: Vec<_> = seen.into_iter().cloned().collect();
            let before = self.seen.get(&mount.id);
            if before.is_some_and(|before| *before != seen) {
                changed.push(mount.id);
            }
            now.insert(mount.id, seen);
        }
        self.seen = now;
        changed
    }
}
