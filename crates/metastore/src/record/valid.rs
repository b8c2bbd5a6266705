//! What names and values of a record may be.

const NAMESPACE_BYTES: usize = 128;
const KEY_CHARS: usize = 256;
const TAG_CHARS: usize = 64;
const TAGS: usize = 128;

/// A namespace: letters, digits, `:`, `.`, `_` and `-`, beginning with a letter or digit.
pub(crate) fn namespace(name: &str) -> Result<(), String> {
    let is_name_byte = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b':' | b'.' | b'_' | b'-');
    let begins_well = name
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphanumeric());
    if begins_well && name.len() <= NAMESPACE_BYTES && name.bytes().all(is_name_byte) {
        return Ok(());
    }
    Err(
        "a namespace has 1 to 128 letters, digits, ':', '.', '_' or '-', the first a letter or digit"
            .to_owned(),
    )
}

/// A key: any text of 1 to 256 characters without control characters.
pub(crate) fn key(key: &str) -> Result<(), String> {
    text(key, 1, KEY_CHARS)
}

/// An owner.
pub(crate) fn owner(owner: &str) -> Result<(), String> {
    text(owner, 1, KEY_CHARS)
}

/// The hash of a schema.
pub(crate) fn schema_hash(hash: &str) -> Result<(), String> {
    text(hash, 6, KEY_CHARS)
}

/// A list of tags.
pub(crate) fn tags(tags: &[String]) -> Result<(), String> {
    if tags.len() > TAGS {
        return Err(format!("at most {TAGS} tags"));
    }
    tags.iter().try_for_each(|tag| {
        text(tag.trim(), 1, TAG_CHARS).map_err(|detail| format!("tag {tag:?}: {detail}"))
    })
}

fn text(value: &str, least: usize, most: usize) -> Result<(), String> {
    let length = value.chars().count();
    if !(least..=most).contains(&length) {
        return Err(format!(
            "it has {length} characters; {least} to {most} are allowed"
        ));
    }
    if value.chars().any(char::is_control) {
        return Err("it holds a control character".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        for good in ["a", "filestore", "team:a_b-1", "org.team", "9"] {
            namespace(good).unwrap();
        }
        for bad in ["", "-a", ".a", "a b", "a/b", "é", "a\0", &"a".repeat(129)] {
            namespace(bad).unwrap_err();
        }
        key("any text / at all é").unwrap();
        for bad in ["", "a\0b", "a\nb", &"k".repeat(257)] {
            key(bad).unwrap_err();
        }
        tags(&["ok".to_owned(), " trimmed ".to_owned()]).unwrap();
        tags(&["  ".to_owned()]).unwrap_err();
        tags(&vec!["t".to_owned(); 129]).unwrap_err();
    }
}
