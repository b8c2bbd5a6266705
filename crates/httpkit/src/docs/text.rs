//! Text as HTML.

/// `text` as it may stand in an element or a quoted attribute.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Paragraphs, with what stands between backticks as code.
pub(super) fn prose(text: &str) -> String {
    let paragraphs = text
        .split("\n\n")
        .map(str::trim)
        .filter(|paragraph| !paragraph.is_empty());
    paragraphs
        .map(|paragraph| format!("<p>{}</p>\n", code_spans(paragraph)))
        .collect()
}

fn code_spans(paragraph: &str) -> String {
    let parts: Vec<&str> = paragraph.split('`').collect();
    // An odd backtick opens what nothing closes, so it is only a character.
    let is_balanced = parts.len() % 2 == 1;
    let mut html = String::with_capacity(paragraph.len());
    for (index, part) in parts.iter().enumerate() {
        let part = escape(part);
        match (index % 2, is_balanced) {
            (1, true) => html.push_str(&format!("<code>{part}</code>")),
            (_, true) => html.push_str(&part),
            (_, false) if index > 0 => html.push_str(&format!("`{part}")),
            (_, false) => html.push_str(&part),
        }
    }
    html
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
        assert_eq!(prose("a `b` c"), "<p>a <code>b</code> c</p>\n");
        assert_eq!(prose("a ` b"), "<p>a ` b</p>\n");
        assert_eq!(prose("`<`\n\n\n"), "<p><code>&lt;</code></p>\n");
        assert_eq!(prose(""), "");
    }
}
