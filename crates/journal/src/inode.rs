//! What the disk says of a file beside its name, its contents and their time.

use crate::{FileType, Time};
use serde::de::{SeqAccess, Visitor};
use serde::ser::SerializeSeq as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;

/// The longest extension, in characters: what is longer is a part of the name.
const LONGEST_EXTENSION: usize = 16;

/// Whose file it is, who may do what with it, and what it takes. Everything is `None` where nobody
/// has asked yet, and where there is no such thing (a bucket knows no permissions).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inode<'a> {
    /// What kind of file it is.
    pub file_type: Option<FileType>,
    /// The user's id.
    pub uid: Option<u32>,
    /// The group's id.
    pub gid: Option<u32>,
    /// The user's name, where the system that sees the disk knows it; of an object, whose it is.
    pub user: Option<&'a str>,
    /// The group's name, where the system that sees the disk knows it.
    pub group: Option<&'a str>,
    /// The permission bits, with set-user-id, set-group-id and sticky: at most 0o7777.
    pub mode: Option<u32>,
    /// How many names it has; `None` for a directory.
    pub links: Option<u32>,
    /// The bytes that it takes on disk; `None` for a directory.
    pub allocated_bytes: Option<i64>,
    /// The change time (ctime); `None` for a directory.
    pub changed_at: Option<Time>,
    /// When a regular file was last read (atime), where the mount has that asked for.
    pub accessed_at: Option<Time>,
    /// What a symlink points to.
    pub link_target: Option<&'a str>,
    /// The storage class of an object.
    pub storage_class: Option<&'a str>,
}

/// Whose a file was before its owner changed; `None` where that did not change, or was not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PreviousOwner<'a> {
    /// The user's id.
    pub uid: Option<u32>,
    /// The group's id.
    pub gid: Option<u32>,
    /// The user's name.
    pub user: Option<&'a str>,
    /// The group's name.
    pub group: Option<&'a str>,
}

/// The extension of a file of this name or path: in lower case, without its dot. `None`, if it has
/// none: a name that only begins with a dot, one that ends with it, and what is longer than 16
/// characters.
#[must_use]
pub fn extension(path: &str) -> Option<Cow<'_, str>> {
    let name = path.rsplit('/').next().unwrap_or_default();
    let (stem, extension) = name.rsplit_once('.')?;
    let is_extension = !stem.is_empty()
        && !extension.is_empty()
        && extension.chars().count() <= LONGEST_EXTENSION
        && !extension.contains(char::is_whitespace);
    if !is_extension {
        return None;
    }
    let is_lower = extension.chars().all(|letter| !letter.is_uppercase());
    Some(match is_lower {
        true => Cow::Borrowed(extension),
        false => Cow::Owned(extension.to_lowercase()),
    })
}

macro_rules! facts {
    ($($(#[$meta:meta])* $name:ident = $bit:literal $text:literal,)+) => {
        /// A fact that can differ from the state before.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Fact { $($(#[$meta])* $name = 1 << $bit,)+ }

        impl Fact {
            /// All of them, in the order in which they are told.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// Its name in the contract.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            fn from_word(word: &str) -> Option<Self> {
                match word { $($text => Some(Self::$name),)+ _ => None }
            }
        }
    };
}

facts! {
    /// What kind of file it is.
    FileType = 0 "fileType",
    /// The length.
    SizeBytes = 1 "sizeBytes",
    /// When the contents changed.
    LastModifiedAt = 2 "lastModifiedAt",
    /// The user.
    Uid = 3 "uid",
    /// The group.
    Gid = 4 "gid",
    /// The permissions.
    Mode = 5 "mode",
    /// How many names it has.
    Links = 6 "links",
    /// What it takes on disk.
    AllocatedBytes = 7 "allocatedBytes",
    /// The checksum that was promised.
    Checksum = 8 "checksum",
    /// The hash of the contents.
    ContentHash = 9 "contentHash",
    /// What people wrote on it.
    Metadata = 10 "metadata",
    /// The storage class of an object.
    StorageClass = 11 "storageClass",
    /// Access control lists and extended attributes.
    Attributes = 12 "attributes",
    /// When it was last read.
    AccessedAt = 13 "accessedAt",
    /// What a symlink points to.
    LinkTarget = 14 "linkTarget",
    /// The tags of an object.
    ObjectTags = 15 "objectTags",
    /// Whose an object is: it has no number.
    User = 16 "user",
}

/// Which facts of a node differ from the state before: a list of their names in JSON. Names that
/// this version does not know are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChangedFacts(u32);

impl ChangedFacts {
    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0 == 0
    }

    /// Adds one if `differs`.
    #[must_use]
    pub const fn with(self, fact: Fact, differs: bool) -> Self {
        if differs {
            Self(self.0 | fact as u32)
        } else {
            self
        }
    }

    /// Whether this one is among them.
    #[must_use]
    pub const fn has(self, fact: Fact) -> bool {
        self.0 & fact as u32 != 0
    }

    /// Their names.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let facts = Fact::ALL.iter().filter(move |fact| self.has(**fact));
        facts.map(|fact| fact.as_str())
    }
}

impl Serialize for ChangedFacts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let length = usize::try_from(self.0.count_ones()).ok();
        let mut list = serializer.serialize_seq(length)?;
        for name in self.names() {
            list.serialize_element(name)?;
        }
        list.end()
    }
}

impl<'de> Deserialize<'de> for ChangedFacts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        /// A name, or whatever else a later version puts there.
        struct Name(Option<Fact>);

        impl<'de> Deserialize<'de> for Name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = Cow::<str>::deserialize(deserializer)?;
                Ok(Self(Fact::from_word(&word)))
            }
        }

        impl<'de> Visitor<'de> for Names {
            type Value = ChangedFacts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of the names of facts")
            }

            fn visit_unit<E>(self) -> Result<ChangedFacts, E> {
                Ok(ChangedFacts::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<ChangedFacts, A::Error> {
                let mut changed = ChangedFacts::default();
                while let Some(Name(fact)) = list.next_element()? {
                    changed = fact.map_or(changed, |fact| changed.with(fact, true));
                }
                Ok(changed)
            }
        }
        deserializer.deserialize_any(Names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extension_is_what_follows_the_last_dot_in_lower_case() {
        let cases = [
            ("a/b.TXT", Some("txt")),
            ("archive.tar.gz", Some("gz")),
            ("ÄRGER.ÄÖ", Some("äö")),
            ("a.b/c", None),
            (".bashrc", None),
            (".config.toml", Some("toml")),
            ("ends.", None),
            ("plain", None),
            ("", None),
            ("v1. and more", None),
            ("x.0123456789abcdef", Some("0123456789abcdef")),
            ("x.0123456789abcdefg", None),
        ];
        for (path, right) in cases {
            assert_eq!(extension(path).as_deref(), right, "{path:?}");
        }
    }

    #[test]
    fn changed_facts_travel_as_their_names_and_unknown_ones_are_left_out() {
        let changed = ChangedFacts::default()
            .with(Fact::Mode, true)
            .with(Fact::Uid, true)
            .with(Fact::Gid, false);
        assert_eq!(
            serde_json::to_string(&changed).unwrap(),
            r#"["uid","mode"]"#
        );
        let read: ChangedFacts = serde_json::from_str(r#"["mode","later","uid"]"#).unwrap();
        assert_eq!(read, changed);
        for fact in Fact::ALL {
            let one = ChangedFacts::default().with(*fact, true);
            let text = serde_json::to_string(&one).unwrap();
            assert_eq!(serde_json::from_str::<ChangedFacts>(&text).unwrap(), one);
        }
    }
}
