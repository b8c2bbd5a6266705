//! Files that get their name while they are open, and are written to afterwards.
//!
//! The system tells of a write by the name that the file was opened by. A file that was opened without
//! a name (`O_TMPFILE`) has one like `#4711` there; one whose name was taken away keeps it. Neither
//! is the name that it has now. So the names that came last are kept, few of them, and are looked at
//! when something happens to a file that has no name of its own any more.

use super::watches::Directory;
use std::collections::VecDeque;

/// Names that are kept of either kind.
const KEPT: usize = 256;

/// A name in a directory.
pub(super) type Name = (Directory, String);

#[derive(Debug, Default)]
pub(super) struct Linked {
    /// That came.
    came: VecDeque<Name>,
    /// That went.
    went: VecDeque<Name>,
}

impl Linked {
    pub(super) fn came(&mut self, directory: Directory, name: &str) {
        self.went
            .retain(|(at, gone)| *at != directory || gone != name);
        keep(&mut self.came, directory, name);
    }

    pub(super) fn went(&mut self, directory: Directory, name: &str) {
        self.came
            .retain(|(at, there)| *at != directory || there != name);
        keep(&mut self.went, directory, name);
    }

    /// What may be the file that was written to by this name; nothing, if the name is its own.
    pub(super) fn written(&self, directory: Directory, name: &str) -> Vec<Name> {
        let digits = name.strip_prefix('#').unwrap_or_default();
        let is_nameless = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let has_gone = || {
            let mut went = self.went.iter();
            went.any(|(at, gone)| *at == directory && gone == name)
        };
        if !is_nameless && !has_gone() {
            return Vec::new();
        }
        let (mount, _) = directory;
        let of_mount = self.came.iter().filter(|((other, _), _)| *other == mount);
        of_mount.cloned().collect()
    }
}

fn keep(names: &mut VecDeque<Name>, directory: Directory, name: &str) {
    if names.len() >= KEPT {
        names.pop_front();
    }
    names.push_back((directory, name.to_owned()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::node::Identity;

    fn directory(mount: i64) -> Directory {
        let identity = Identity {
            dev: 0,
            ino: 1,
            born_ns: None,
        };
        (mount, identity)
    }

    #[test]
    fn a_write_by_a_name_that_is_gone_or_never_was_leads_to_the_names_that_came() {
        let (mut linked, here) = (Linked::default(), directory(1));
        linked.came(here, "tmp");
        linked.came(here, "final");
        linked.came(directory(2), "elsewhere");
        assert_eq!(linked.written(here, "tmp"), [], "it has its name");
        linked.went(here, "tmp");
        assert_eq!(linked.written(here, "tmp"), [(here, "final".to_owned())]);
        assert_eq!(linked.written(here, "#47"), [(here, "final".to_owned())]);
        assert_eq!(linked.written(here, "#4x"), []);
        linked.came(here, "tmp");
        assert_eq!(linked.written(here, "tmp"), [], "it is there again");
    }

    #[test]
    fn only_the_last_names_are_kept() {
        let (mut linked, here) = (Linked::default(), directory(1));
        for name in 0..=KEPT {
            linked.came(here, &name.to_string());
        }
        let kept = linked.written(here, "#1");
        assert_eq!((kept.len(), kept[0].1.as_str()), (KEPT, "1"));
    }
}
