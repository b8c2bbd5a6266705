//! How names that are not UTF-8 are spelled, so that every book holds text only.
//!
//! A file name on Linux is any run of bytes without `/` and NUL. Valid UTF-8 is spelled as it is.
//! A byte that is not part of valid UTF-8, `0x80..=0xFF`, is spelled as the private-use character
//! `U+EF00 + byte`, which lies in `U+EF80..=U+EFFF`. A name that really holds such a character has
//! it spelled byte by byte in the same way. So two names never share a spelling, and
//! `to_bytes(from_bytes(name)) == name` for every name.
//!
//! Not every text is a spelling: `from_bytes(to_bytes(text))` may differ from `text`, where
//! characters of the range stand for bytes that are valid UTF-8 together. [`is_spelling`] tells.
//!
//! Slashes pass as they are, so whole paths may be given.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

const FIRST: u32 = 0xEF80;
const LAST: u32 = 0xEFFF;

/// The spelling of these bytes.
#[must_use]
pub fn from_bytes(bytes: &[u8]) -> String {
    if let Ok(text) = str::from_utf8(bytes)
        && !text.chars().any(is_stand_in)
    {
        return text.to_owned();
    }
    let mut spelling = String::with_capacity(bytes.len() * 2);
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if is_stand_in(character) {
                let mut buffer = [0; 4];
                spelling.extend(
                    character
                        .encode_utf8(&mut buffer)
                        .bytes()
                        .filter_map(stand_in),
                );
            } else {
                spelling.push(character);
            }
        }
        spelling.extend(chunk.invalid().iter().copied().filter_map(stand_in));
    }
    spelling
}

/// The bytes behind this spelling.
#[must_use]
pub fn to_bytes(spelling: &str) -> Cow<'_, [u8]> {
    if !spelling.chars().any(is_stand_in) {
        return Cow::Borrowed(spelling.as_bytes());
    }
    let mut bytes = Vec::with_capacity(spelling.len());
    for character in spelling.chars() {
        if is_stand_in(character) {
            let [.., low] = u32::from(character).to_be_bytes();
            bytes.push(low);
        } else {
            bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
    Cow::Owned(bytes)
}

/// A path of this machine as the books spell it.
#[must_use]
pub fn spelled(path: impl AsRef<OsStr>) -> String {
    from_bytes(path.as_ref().as_bytes())
}

/// The path of this machine that the books spell like this.
#[must_use]
pub fn os_path(spelling: &str) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(&to_bytes(spelling)))
}

/// Whether some name is spelled like this.
#[must_use]
pub fn is_spelling(text: &str) -> bool {
    !text.chars().any(is_stand_in) || from_bytes(&to_bytes(text)) == text
}

fn is_stand_in(character: char) -> bool {
    (FIRST..=LAST).contains(&u32::from(character))
}

fn stand_in(byte: u8) -> Option<char> {
    char::from_u32(0xEF00 + u32::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn utf8_is_spelled_as_it_is() {
        for name in ["", "a", "Füße\n", "日本語", "\u{EF7F}\u{F000}"] {
            assert_eq!(from_bytes(name.as_bytes()), name);
            assert!(matches!(to_bytes(name), Cow::Borrowed(_)));
        }
    }

    #[test]
    fn other_bytes_get_characters_of_their_own() {
        assert_eq!(from_bytes(b"caf\xE9"), "caf\u{EFE9}");
        assert_eq!(
            from_bytes("\u{EF80}".as_bytes()),
            "\u{EFEE}\u{EFBE}\u{EF80}"
        );
        assert!(is_spelling("caf\u{EFE9}"));
        assert!(
            !is_spelling("\u{EFC3}\u{EFA9}"),
            "these bytes are é, which is spelled é"
        );
    }

    proptest! {
        #[test]
        fn every_name_survives_its_spelling(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let spelling = from_bytes(&bytes);
            prop_assert_eq!(&*to_bytes(&spelling), &bytes[..]);
            prop_assert!(is_spelling(&spelling));
        }

        #[test]
        fn names_of_stand_ins_survive_too(text in "[a\u{EF80}-\u{EFFF}\u{EF7F}é]{0,12}") {
            let spelling = from_bytes(text.as_bytes());
            prop_assert_eq!(&*to_bytes(&spelling), text.as_bytes());
        }
    }
}
