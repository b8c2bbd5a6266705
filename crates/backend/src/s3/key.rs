//! Keys and paths.
//!
//! A key is UTF-8 of at most 1,024 bytes, and anything goes in it. A path is names between slashes.
//! So these keys are no paths, and are left alone: those with an empty name (`a//b`, `/a`), with
//! the names `.` and `..`, with control characters (the client cannot send them), and too long ones.
//! Everything else is its own path, spelled as [`node::name`] spells names; a path that spells
//! bytes which are not UTF-8 is no key.

use node::name;

/// The longest key in bytes.
const KEY_BYTES: usize = 1_024;

/// Why a key is no path, or a path no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Two slashes stand side by side.
    #[error("it has an empty name between two slashes")]
    EmptyName,
    /// A name is of dots only.
    #[error("it has a name of only dots, which is no file's name")]
    Dots,
    /// It has a control character.
    #[error("it has a control character, which S3 clients cannot name")]
    Control,
    /// It spells bytes that are not UTF-8.
    #[error("S3 keys are UTF-8, and its name is not")]
    NotUtf8,
    /// It is too long.
    #[error("as a key it is {0} bytes long; the longest that S3 takes is {KEY_BYTES}")]
    Long(usize),
}

/// Whether a name can be part of both a key and a path.
///
/// # Errors
/// The bucket refuses it.
pub(super) fn check_name(name: &str) -> Result<(), KeyError> {
    match name {
        "" => Err(KeyError::EmptyName),
        "." | ".." => Err(KeyError::Dots),
        _ if name.chars().any(|c| c.is_ascii_control()) => Err(KeyError::Control),
        _ => Ok(()),
    }
}

/// The key of the node at `path` in a mount with this prefix (`""`, or ending in a slash).
///
/// # Errors
/// The bucket refuses it.
pub(super) fn of_path(prefix: &str, path: &str) -> Result<String, KeyError> {
    if path.is_empty() {
        return Ok(prefix.to_owned());
    }
    path.split('/').try_for_each(check_name)?;
    let path = String::from_utf8(name::to_bytes(path).into_owned());
    let key = format!("{prefix}{}", path.map_err(|_| KeyError::NotUtf8)?);
    match key.len() {
        length if length > KEY_BYTES => Err(KeyError::Long(length)),
        _ => Ok(key),
    }
}

/// The path of a key, or of the part of one below the mount's prefix.
///
/// # Errors
/// The bucket refuses it.
pub(super) fn to_path(rest: &str) -> Result<String, KeyError> {
    rest.split('/').try_for_each(check_name)?;
    Ok(name::from_bytes(rest.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn odd_keys_are_no_paths() {
        for (key, error) in [
            ("a//b", KeyError::EmptyName),
            ("/a", KeyError::EmptyName),
            ("a/", KeyError::EmptyName),
            ("", KeyError::EmptyName),
            ("a/../b", KeyError::Dots),
            ("./a", KeyError::Dots),
            ("a\nb", KeyError::Control),
            ("a\u{7f}", KeyError::Control),
        ] {
            assert_eq!(to_path(key), Err(error), "{key:?}");
        }
    }

    #[test]
    fn paths_that_no_key_can_be_are_refused() {
        assert_eq!(of_path("p/", "a/b"), Ok("p/a/b".to_owned()));
        assert_eq!(of_path("p/", ""), Ok("p/".to_owned()));
        assert_eq!(of_path("", "a\nb"), Err(KeyError::Control));
        assert_eq!(of_path("", "caf\u{EFE9}"), Err(KeyError::NotUtf8));
        let long = ["n"; 512].join("/");
        assert_eq!(of_path("", &long), Ok(long.clone()));
        assert_eq!(of_path("pp", &long), Err(KeyError::Long(1_025)));
    }

    proptest! {
        #[test]
        fn a_key_that_is_a_path_comes_back(key in "[a.%2F/ü\u{EF80}\u{EFEE} ]{1,20}") {
            if let Ok(path) = to_path(&key) {
                prop_assert_eq!(of_path("", &path), Ok(key));
                prop_assert!(node::NodePath::parse(&path).is_ok());
            }
        }
    }
}
