//! How text that people look for is compared with what is there: whatever its case.

use icu_normalizer::ComposingNormalizerBorrowed;
use std::borrow::Cow;
use unicase::UniCase;

/// Text as it is compared whatever its case: the full case folding of Unicode, composed (NFC). So
/// `ÄRGER` and `ärger`, `STRASSE` and `straße` are the same, however their accents are stored.
#[must_use]
pub fn fold(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(text.to_ascii_lowercase())
        } else {
            Cow::Borrowed(text)
        };
    }
    let composing = const { ComposingNormalizerBorrowed::new_nfc() };
    let composed = composing.normalize(text);
    let folded = UniCase::unicode(composed).to_folded_case();
    Cow::Owned(match composing.normalize(&folded) {
        Cow::Borrowed(_) => folded,
        Cow::Owned(composed) => composed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_folded_by_the_rules_of_unicode() {
        for (a, b) in [
            ("README.md", "readme.MD"),
            ("ÄRGER", "ärger"),
            ("STRASSE", "straße"),
            ("ΣΊΣΥΦΟΣ", "σίσυφος"),
            ("ЁЛКА", "ёлка"),
            ("e\u{301}t\u{e9}", "\u{c9}TE\u{301}"),
        ] {
            assert_eq!(fold(a), fold(b), "{a} {b}");
        }
        assert_ne!(fold("a"), fold("ä"));
        assert!(matches!(fold("plain"), Cow::Borrowed("plain")));
    }
}
