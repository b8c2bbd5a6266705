//! Text as HTML.

use maud::{Markup, html};

/// Paragraphs, with what stands between backticks as code.
pub(super) fn prose(text: &str) -> Markup {
    let paragraphs = text
        .split("\n\n")
        .map(str::trim)
        .filter(|paragraph| !paragraph.is_empty());
    html! {
        @for paragraph in paragraphs {
            p { (code_spans(paragraph)) }
        }
    }
}

fn code_spans(paragraph: &str) -> Markup {
    let parts: Vec<&str> = paragraph.split('`').collect();
    // An odd backtick opens what nothing closes, so it is only a character.
    let is_balanced = parts.len() % 2 == 1;
    html! {
        @if is_balanced {
            @for (index, part) in parts.iter().enumerate() {
                @if index % 2 == 1 { code { (part) } } @else { (part) }
            }
        } @else {
            (paragraph)
        }
    }
}

/// An id that differs where `name` does.
pub(super) fn anchor(kind: &str, name: &str) -> String {
    let mut id = format!("{kind}-");
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => id.push(char::from(byte)),
            b'/' => id.push('.'),
            other => id.push_str(&format!(":{other:02x}")),
        }
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backticks_that_do_not_pair_are_characters() {
        for (text, html) in [
            ("a `b` c", "<p>a <code>b</code> c</p>"),
            ("a ` b", "<p>a ` b</p>"),
            ("`<`\n\n\n", "<p><code>&lt;</code></p>"),
            ("", ""),
        ] {
            assert_eq!(prose(text).into_string(), html);
        }
    }
}
