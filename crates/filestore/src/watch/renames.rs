//! Renames of directories, put together from their two ends.
//!
//! On a filesystem without birth times, this alone tells a directory that was renamed from one that was
//! made anew with the same inode number. Renames of one directory that follow each other become one,
//! from where it was when somebody last looked. A name at which something else happened since is
//! forgotten. Whatever is forgotten or missed makes a directory a new one, and never a wrong one.

use super::watches::Directory;
use crate::scan::Rename;
use rustix::fs::inotify::ReadFlags;
use std::collections::{HashMap, VecDeque};

/// First ends that are kept until the other end comes, which is the next event or nearly so.
const LEAVING: usize = 64;

/// Renames that are kept.
const MOVED: usize = 8_192;

/// A name in a directory.
type Name = (Directory, String);

#[derive(Debug, Default)]
pub(super) struct Renames {
    /// Where directories were that are on their way, with the cookie that both ends have.
    leaving: VecDeque<(u32, Name)>,
    /// Where directories are, and where they were.
    moved: HashMap<Name, Name>,
}

impl Renames {
    /// Something happened to a directory that has, or had, this name.
    pub(super) fn saw(&mut self, flags: ReadFlags, cookie: u32, directory: Directory, name: &str) {
        let place = (directory, name.to_owned());
        if flags.contains(ReadFlags::MOVED_FROM) {
            let from = self.moved.remove(&place).unwrap_or(place);
            if self.leaving.len() >= LEAVING {
                self.leaving.pop_front();
            }
            self.leaving.push_back((cookie, from));
        } else if flags.contains(ReadFlags::MOVED_TO) {
            self.moved.remove(&place);
            let (mount, _) = directory;
            let mut leaving = self.leaving.iter();
            let is_it = |(other, ((from, _), _)): &(u32, Name)| *other == cookie && *from == mount;
            let Some((_, from)) = leaving
                .position(is_it)
                .and_then(|at| self.leaving.remove(at))
            else {
                return;
            };
            if from != place && self.moved.len() < MOVED {
                self.moved.insert(place, from);
            }
        } else if flags.intersects(ReadFlags::CREATE | ReadFlags::DELETE) {
            self.moved.remove(&place);
        }
    }

    /// Something was missed.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// What was seen, with its mounts. It is the past for what comes next.
    pub(super) fn take(&mut self) -> Vec<(i64, Rename)> {
        let moved = std::mem::take(&mut self.moved);
        let rename = |(((mount, to), name), ((_, from), old)): (Name, Name)| {
            let (from, to) = ((from, old), (to, name));
            (mount, Rename { from, to })
        };
        moved.into_iter().map(rename).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::node::Identity;

    fn identity(ino: i64) -> Identity {
        Identity {
            dev: 0,
            ino,
            born_ns: None,
        }
    }

    /// Events of one mount: what happened, its cookie, the directory's number, the name.
    fn saw(events: &[(ReadFlags, u32, i64, &str)]) -> Renames {
        let mut renames = Renames::default();
        for (flags, cookie, ino, name) in events {
            renames.saw(*flags, *cookie, (1, identity(*ino)), name);
        }
        renames
    }

    /// The renames: where from, where to.
    fn taken(renames: &mut Renames) -> Vec<(i64, String, i64, String)> {
        let taken = renames.take().into_iter().map(|(mount, rename)| {
            assert_eq!(mount, 1);
            let ((from, old), (to, new)) = (rename.from, rename.to);
            (from.ino, old, to.ino, new)
        });
        let mut taken: Vec<_> = taken.collect();
        taken.sort();
        taken
    }

    fn rename(from: i64, old: &str, to: i64, new: &str) -> (i64, String, i64, String) {
        (from, old.to_owned(), to, new.to_owned())
    }

    const FROM: ReadFlags = ReadFlags::MOVED_FROM;
    const TO: ReadFlags = ReadFlags::MOVED_TO;

    #[test]
    fn both_ends_of_a_rename_are_joined_by_their_cookie() {
        let events = [
            (FROM, 1, 5, "a"),
            (FROM, 2, 5, "b"),
            (TO, 2, 6, "y"),
            (TO, 1, 5, "x"),
            (TO, 3, 5, "from elsewhere"),
            (FROM, 4, 5, "to elsewhere"),
        ];
        let mut renames = saw(&events);
        let both = [rename(5, "a", 5, "x"), rename(5, "b", 6, "y")];
        assert_eq!(taken(&mut renames), both);
        assert_eq!(taken(&mut renames), [], "somebody has looked");
    }

    #[test]
    fn renames_that_follow_each_other_are_one_until_somebody_looks() {
        let mut renames = saw(&[
            (FROM, 1, 5, "a"),
            (TO, 1, 5, "b"),
            (FROM, 2, 5, "b"),
            (TO, 2, 5, "c"),
            (FROM, 3, 5, "there"),
            (TO, 3, 5, "and"),
            (FROM, 4, 5, "and"),
            (TO, 4, 5, "there"),
        ]);
        assert_eq!(taken(&mut renames), [rename(5, "a", 5, "c")]);
        // The first end came before somebody looked, the second one after that.
        let at = (1, identity(5));
        renames.saw(FROM, 5, at, "c");
        assert_eq!(taken(&mut renames), []);
        renames.saw(TO, 5, at, "d");
        assert_eq!(taken(&mut renames), [rename(5, "c", 5, "d")]);
    }

    #[test]
    fn a_directory_that_was_removed_or_replaced_since_is_forgotten() {
        for last in [
            (ReadFlags::DELETE, 0, 5, "b"),
            (ReadFlags::CREATE, 0, 5, "b"),
            (TO, 9, 5, "b"),
            (FROM, 9, 5, "b"),
        ] {
            let mut renames = saw(&[(FROM, 1, 5, "a"), (TO, 1, 5, "b"), last]);
            assert_eq!(taken(&mut renames), [], "{last:?}");
        }
        let mut renames = saw(&[(FROM, 1, 5, "a"), (TO, 1, 5, "b")]);
        renames.clear();
        assert_eq!(taken(&mut renames), []);
    }

    #[test]
    fn ends_in_two_mounts_are_no_rename_and_only_so_many_are_kept() {
        let mut renames = Renames::default();
        renames.saw(FROM, 1, (1, identity(5)), "a");
        renames.saw(TO, 1, (2, identity(5)), "b");
        assert_eq!(renames.take(), []);
        for number in 0..u32::try_from(MOVED).unwrap() + 10 {
            renames.saw(FROM, number, (1, identity(5)), &format!("a{number}"));
            renames.saw(TO, number, (1, identity(5)), &format!("b{number}"));
        }
        assert_eq!(renames.take().len(), MOVED);
        for number in 0..200 {
            renames.saw(FROM, number, (1, identity(5)), "a");
        }
        assert_eq!(renames.leaving.len(), LEAVING);
    }
}
