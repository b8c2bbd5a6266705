//! `Content-Disposition` of a download (RFC 6266).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

/// What RFC 8187 lets stand as it is, of the characters that URLs do too.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A file to store under `name`: in ASCII for old clients, and exactly for the others.
#[must_use]
pub fn attachment(name: &[u8]) -> String {
    let plain: String = String::from_utf8_lossy(name)
        .chars()
        .map(|c| match c {
            '"' | '\\' | '/' | '%' => '_',
            c if c.is_ascii() && !c.is_ascii_control() => c,
            _ => '_',
        })
        .collect();
    let exact = percent_encode(name, ESCAPED);
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{exact}")
}

#[cfg(test)]
mod tests {
    use super::attachment;

    #[test]
    fn a_name_is_there_plainly_and_exactly() {
        for (name, header) in [
            (
                "report 1.pdf",
                "attachment; filename=\"report 1.pdf\"; filename*=UTF-8''report%201.pdf",
            ),
            (
                "Müll\n.txt",
                "attachment; filename=\"M_ll_.txt\"; filename*=UTF-8''M%C3%BCll%0A.txt",
            ),
            (
                "a\"b\\%41",
                "attachment; filename=\"a_b__41\"; filename*=UTF-8''a%22b%5C%2541",
            ),
        ] {
            assert_eq!(attachment(name.as_bytes()), header);
        }
    }
}
