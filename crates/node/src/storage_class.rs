//! The storage class of an object in a bucket.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Most classes that are known at once: a bucket has a handful, and their names are kept for good.
const MOST: usize = 256;
/// The longest name of a class.
const LONGEST: usize = 64;

static NAMES: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());

/// A class as the bucket names it, such as `STANDARD` or `GLACIER` (`StorageClass` in the S3 API's
/// `ListObjectsV2`). Some servers have classes of their operator's own, so it is any word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StorageClass(&'static str);

impl StorageClass {
    /// The class of this name; `None` if that is empty, too long, or one too many.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        if name.is_empty() || name.len() > LONGEST || name.contains(char::is_control) {
            return None;
        }
        let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = names.get(name) {
            return Some(Self(known));
        }
        if names.len() == MOST {
            return None;
        }
        let name: &'static str = Box::leak(name.to_owned().into_boxed_str());
        names.insert(name);
        Some(Self(name))
    }

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl Serialize for StorageClass {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

impl<'de> Deserialize<'de> for StorageClass {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Cow::<str>::deserialize(deserializer)?;
        Self::named(&name).ok_or_else(|| serde::de::Error::custom("it is no storage class"))
    }
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
}
