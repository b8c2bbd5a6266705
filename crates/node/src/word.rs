//! Words that buckets use over and over, each kept once and for good.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// A word, held by a reference of one machine word: there are facts of very many files.
#[derive(Debug, PartialEq, Eq)]
struct Word(Box<str>);

/// The words of one kind.
struct Words {
    names: Mutex<BTreeMap<&'static str, &'static Word>>,
    /// Most words that are known at once: they are kept for good.
    most: usize,
    /// The longest word, in bytes.
    longest: usize,
}

impl Words {
    const fn new(most: usize, longest: usize) -> Self {
        Self {
            names: Mutex::new(BTreeMap::new()),
            most,
            longest,
        }
    }

    fn get(&self, name: &str) -> Option<&'static Word> {
        if name.is_empty() || name.len() > self.longest || name.contains(char::is_control) {
            return None;
        }
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = names.get(name).copied() {
            return Some(known);
        }
        if names.len() == self.most {
            return None;
        }
        let word: &'static Word = Box::leak(Box::new(Word(name.into())));
        names.insert(&word.0, word);
        Some(word)
    }
}

macro_rules! word {
    ($(#[$meta:meta])* $name:ident, $words:ident, $what:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name(&'static Word);

        impl $name {
            /// The one of this name; `None` if that is empty, too long, or one too many.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                $words.get(name).map(Self)
            }

            /// Its name.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                &self.0.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let name = Cow::<str>::deserialize(deserializer)?;
                let no_word = || serde::de::Error::custom(concat!("it is no ", $what));
                Self::named(&name).ok_or_else(no_word)
            }
        }
    };
}

/// A bucket has a handful of classes.
static CLASSES: Words = Words::new(256, 64);

word! {
    /// A storage class as the bucket names it, such as `STANDARD` or `GLACIER` (`StorageClass` in the S3
    /// API's `ListObjectsV2`). Some servers have classes of their operator's own, so it is any word.
    StorageClass, CLASSES, "storage class"
}

/// Accounts that put objects into buckets of others are few.
static OWNERS: Words = Words::new(4_096, 256);

word! {
    /// The account that an object belongs to: its display name, or else its id (`Owner` in the S3 API's
    /// `ListObjectsV2`).
    ObjectOwner, OWNERS, "owner of an object"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_its_name() {
        let glacier = StorageClass::named("GLACIER");
        assert_eq!(glacier, StorageClass::named(&String::from("GLACIER")));
        assert_ne!(glacier, StorageClass::named("STANDARD"));
        for bad in ["", "a\nb", &"x".repeat(65)] {
            assert_eq!(StorageClass::named(bad), None, "{bad:?}");
        }
        let json = serde_json::to_string(&glacier).unwrap();
        assert_eq!(json, r#""GLACIER""#);
        assert_eq!(
            serde_json::from_str::<Option<StorageClass>>(&json).unwrap(),
            glacier
        );
    }

    #[test]
    fn there_are_only_so_many_words() {
        let words = Words::new(2, 3);
        let get = |name| words.get(name).map(|word| &*word.0);
        assert_eq!((get("a"), get("b")), (Some("a"), Some("b")));
        assert_eq!((get("c"), get("a")), (None, Some("a")));
    }
}
