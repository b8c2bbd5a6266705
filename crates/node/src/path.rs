//! Where a node is within its mount, checked and in one spelling. Pure: no disk, no store.
//!
//! A path is relative to the mount's root, its names separated by `/`; the root itself is `""`.
//! What clients send may have one `/` before and one after, as AppHub's do. Everything that could
//! mean another place than it says is refused rather than repaired: `..`, `.`, empty names.
//! Names that are not UTF-8 come as [`crate::name`] spells them.

use crate::name;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The longest name in bytes, on every filesystem that matters.
const NAME_BYTES: usize = 255;

/// The longest path in bytes that a command takes. Scans catalogue longer ones.
const PATH_BYTES: usize = 4_096;

/// A path of a node, as a command or a question names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodePath(String);

/// Why a path is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// NUL is part of no file name.
    #[error("it holds a NUL character, which no file name can")]
    Nul,
    /// Two slashes stand side by side.
    #[error("it has an empty name between two slashes")]
    EmptyName,
    /// A name is `.` or `..`.
    #[error("it has the name {0:?}: a path is taken as it stands, relative to the mount's root")]
    Dots(&'static str),
    /// A name is longer than filesystems take.
    #[error("a name of it is {0} bytes long; the longest that a file can have is {NAME_BYTES}")]
    LongName(usize),
    /// The path is longer than commands take.
    #[error("it is {0} bytes long; the longest taken here is {PATH_BYTES}")]
    Long(usize),
    /// It spells no file name.
    #[error(
        "it holds private-use characters (U+EF80 to U+EFFF) that spell no file name: use the path \
         as it is listed"
    )]
    Spelling,
    /// The name is one of our own.
    #[error("names like {0:?} are Tidemark's own")]
    Reserved(String),
    /// The root is meant where it cannot be.
    #[error("it is empty, which is the mount's root; name a file or directory in it")]
    Root,
}

impl NodePath {
    /// The path that `text` means; the root's is `""` or `"/"`.
    ///
    /// # Errors
    /// It is no path, as [`PathError`] says.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let path = text.strip_prefix('/').unwrap_or(text);
        let path = path.strip_suffix('/').unwrap_or(path);
        if text.contains('\0') {
            return Err(PathError::Nul);
        }
        if !name::is_spelling(path) {
            return Err(PathError::Spelling);
        }
        if path.is_empty() {
            // `//` has an empty name between its slashes.
            return if text.len() > 1 {
                Err(PathError::EmptyName)
            } else {
                Ok(Self(String::new()))
            };
        }
        for name in path.split('/') {
            match name {
                "" => return Err(PathError::EmptyName),
                "." => return Err(PathError::Dots(".")),
                ".." => return Err(PathError::Dots("..")),
                _ => {}
            }
            let length = name::to_bytes(name).len();
            if length > NAME_BYTES {
                return Err(PathError::LongName(length));
            }
        }
        let length = name::to_bytes(path).len();
        if length > PATH_BYTES {
            return Err(PathError::Long(length));
        }
        Ok(Self(path.to_owned()))
    }

    /// The path that a command may change: not the root, and not a name of our own.
    ///
    /// # Errors
    /// It is no path, or is not to be changed, as [`PathError`] says.
    pub fn parse_target(text: &str) -> Result<Self, PathError> {
        let path = Self::parse(text)?;
        if path.is_root() {
            return Err(PathError::Root);
        }
        let first = path.0.split('/').next().unwrap_or_default();
        if is_own_name(first) {
            return Err(PathError::Reserved(first.to_owned()));
        }
        Ok(path)
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the mount's root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The last name; empty for the root.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The directory it is in; the root's is the root.
    #[must_use]
    pub fn parent(&self) -> Self {
        Self(
            self.0
                .rsplit_once('/')
                .map_or_else(String::new, |(parent, _)| parent.to_owned()),
        )
    }

    /// Itself and the directories above it, from the top, without the root.
    pub fn lineage(&self) -> impl Iterator<Item = &str> {
        let ends = self
            .0
            .match_indices('/')
            .map(|(at, _)| at)
            .chain((!self.is_root()).then_some(self.0.len()));
        ends.filter_map(|end| self.0.get(..end))
    }

    /// Whether it is `other` or below it.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        other.is_root()
            || self
                .0
                .strip_prefix(&other.0)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl fmt::Display for NodePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether Tidemark itself gives files in a mount's root such names, while it works on them.
#[must_use]
pub fn is_own_name(name: &str) -> bool {
    name.starts_with(".tidemark-") && (name.ends_with(".part") || name.ends_with(".trash"))
}

/// The path of `name` in the directory at `parent`.
#[must_use]
pub fn join(parent: &str, name: &str) -> String {
    if parent.is_empty() {
        return name.to_owned();
    }
    let mut path = String::with_capacity(parent.len() + 1 + name.len());
    path.push_str(parent);
    path.push('/');
    path.push_str(name);
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn good_paths_keep_their_spelling() {
        let long = "n".repeat(255);
        for (text, path) in [
            ("", ""),
            ("/", ""),
            ("a", "a"),
            ("/a/b", "a/b"),
            ("a/b/", "a/b"),
            ("/a/b/", "a/b"),
            ("a b/ü\n", "a b/ü\n"),
            ("...", "..."),
            (".hidden", ".hidden"),
            ("a\\..\\b", "a\\..\\b"),
            ("%2e%2e", "%2e%2e"),
            ("caf\u{EFE9}", "caf\u{EFE9}"),
            (&long, &long),
        ] {
            assert_eq!(
                NodePath::parse(text).map(|path| path.0),
                Ok(path.to_owned()),
                "{text:?}"
            );
        }
    }

    #[test]
    fn bad_paths_are_refused_with_the_reason() {
        let deep = format!("{}a", "aaa/".repeat(1_024));
        for (text, error) in [
            ("..", PathError::Dots("..")),
            ("/../etc/passwd", PathError::Dots("..")),
            ("a/../b", PathError::Dots("..")),
            ("a/..", PathError::Dots("..")),
            ("./a", PathError::Dots(".")),
            ("a/.", PathError::Dots(".")),
            ("//", PathError::EmptyName),
            ("//etc/passwd", PathError::EmptyName),
            ("a//b", PathError::EmptyName),
            ("a//", PathError::EmptyName),
            ("a\0b", PathError::Nul),
            ("\u{EFC3}\u{EFA9}", PathError::Spelling),
            (&"n".repeat(256), PathError::LongName(256)),
            (&"ü".repeat(128), PathError::LongName(256)),
            (&deep, PathError::Long(4_097)),
        ] {
            assert_eq!(NodePath::parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn commands_refuse_the_root_and_names_of_our_own() {
        assert_eq!(NodePath::parse_target("/"), Err(PathError::Root));
        let own = ".tidemark-1-2.part";
        assert_eq!(
            NodePath::parse_target(own),
            Err(PathError::Reserved(own.to_owned()))
        );
        assert!(NodePath::parse_target("a/.tidemark-1.part").is_ok());
    }

    #[test]
    fn a_path_knows_its_place() {
        let path = NodePath::parse("a/b/c").unwrap();
        assert_eq!(path.name(), "c");
        assert_eq!(path.parent().as_str(), "a/b");
        assert_eq!(path.lineage().collect::<Vec<_>>(), ["a", "a/b", "a/b/c"]);
        let root = NodePath::parse("").unwrap();
        assert_eq!(
            (root.name(), root.parent().is_root(), root.lineage().count()),
            ("", true, 0)
        );
        assert!(path.is_within(&NodePath::parse("a/b").unwrap()));
        assert!(!path.is_within(&NodePath::parse("a/bb").unwrap()));
        assert!(
            !NodePath::parse("ab")
                .unwrap()
                .is_within(&NodePath::parse("a").unwrap())
        );
    }

    proptest! {
        #[test]
        fn a_parsed_path_has_only_plain_names(text in "[a/.\u{0}ü\u{EF80}\\\\]{0,20}") {
            if let Ok(path) = NodePath::parse(&text) {
                for name in path.lineage().map(|at| at.rsplit('/').next().unwrap()) {
                    prop_assert!(!["", ".", ".."].contains(&name));
                    prop_assert!(!name.contains('\0'));
                }
                prop_assert_eq!(NodePath::parse(path.as_str()), Ok(path));
            }
        }
    }
}
