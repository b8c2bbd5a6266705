//! Facts whose text may be long.

/// A fact whose text may be long. [`Facts`](super::Facts) have a number that is made of the text, so
/// that scans compare numbers; the text is kept once, under its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LongFact {
    /// Access control lists and extended attributes: a JSON object of `acl`, `defaultAcl` and `xattrs`.
    Attributes,
    /// What a symlink points to, spelled as names are.
    LinkTarget,
    /// The tags of an object: a JSON object of texts.
    ObjectTags,
}

impl LongFact {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Attributes, Self::LinkTarget, Self::ObjectTags];
}

/// The text of such a fact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LongText {
    /// What stands for it: the beginning of its hash, 0 for none.
    pub number: i64,
    /// Empty for none.
    pub text: String,
}

impl LongText {
    /// This text and its number.
    #[must_use]
    pub fn of(text: String) -> Self {
        if text.is_empty() {
            return Self::default();
        }
        let hash = blake3::hash(text.as_bytes());
        let number = hash.as_bytes().first_chunk().copied();
        let number = number.map_or(1, i64::from_le_bytes);
        Self {
            number: if number == 0 { 1 } else { number },
            text,
        }
    }
}
