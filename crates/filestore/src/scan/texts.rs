//! Texts that the walk has read with the facts of names, until they are written.
//!
//! A text is needed where it differs from what is known, and reading it again there would take a
//! request for each object while commands wait. What does not fit is read again.

use ::node::LongText;
use parking_lot::Mutex;
use std::collections::HashMap;

/// The bytes of all texts that are held.
const ROOM: usize = 32 * 1024 * 1024;

/// Texts by their numbers.
#[derive(Debug, Default)]
pub(crate) struct Texts(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    texts: HashMap<i64, String>,
    bytes: usize,
}

impl Texts {
    /// Holds a text, if there is room.
    pub(super) fn keep(&self, text: &LongText) {
        let mut held = self.0.lock();
        let bytes = held.bytes.saturating_add(text.text.len());
        if bytes <= ROOM && !held.texts.contains_key(&text.number) {
            held.bytes = bytes;
            held.texts.insert(text.number, text.text.clone());
        }
    }

    /// Gives the text of this number, if it is held, and holds it no longer.
    pub(super) fn take(&self, number: i64) -> Option<String> {
        let mut held = self.0.lock();
        let text = held.texts.remove(&number)?;
        held.bytes = held.bytes.saturating_sub(text.len());
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_given_once_and_what_does_not_fit_is_not_held() {
        let texts = Texts::default();
        let (small, large) = (
            LongText::of("small".to_owned()),
            LongText::of("x".repeat(ROOM)),
        );
        texts.keep(&small);
        texts.keep(&small);
        texts.keep(&large);
        assert_eq!(texts.take(large.number), None);
        assert_eq!(texts.take(small.number).as_deref(), Some("small"));
        assert_eq!(texts.take(small.number), None);
        texts.keep(&large);
        assert_eq!(texts.take(large.number), Some(large.text));
    }
}
