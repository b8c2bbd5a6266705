//! Reading a request's headers: a header that was sent is taken, or refused by its name. None is
//! dropped because of how it is written.

use axum::http::HeaderMap;

use crate::{Code, Problem, Result};

/// The value of a header, without white space around it; `None` if the header is absent.
///
/// # Errors
/// 400 naming the header, if it is not UTF-8 or was sent twice with different values.
pub fn header<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>> {
    let mut values = headers.get_all(name).iter();
    let Some(first) = values.next() else {
        return Ok(None);
    };
    if values.any(|value| value != first) {
        return Err(refused(
            name,
            "it was sent twice with different values; send it once",
        ));
    }
    utf8(name, first.as_bytes()).map(Some)
}

/// The elements of a header that is a list, over all of its lines; `None` if it is absent. A
/// comma within quotes does not end an element.
///
/// # Errors
/// 400 naming the header, if it is not UTF-8.
pub fn header_list<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<Vec<&'h str>>> {
    let mut elements = None;
    for value in headers.get_all(name) {
        let elements = elements.get_or_insert_with(Vec::new);
        let mut is_quoted = false;
        let text = utf8(name, value.as_bytes())?;
        let parts = text.split(|c| {
            is_quoted ^= c == '"';
            c == ',' && !is_quoted
        });
        elements.extend(parts.map(str::trim).filter(|part| !part.is_empty()));
    }
    Ok(elements)
}

/// 400 naming the header.
pub(crate) fn refused(name: &str, detail: &str) -> Problem {
    Problem::bad_request(Code::InvalidRequest, format!("the header {name}: {detail}"))
}

fn utf8<'v>(name: &str, value: &'v [u8]) -> Result<&'v str> {
    std::str::from_utf8(value)
        .map(str::trim)
        .map_err(|_| refused(name, "it is not UTF-8; send it in UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn headers(values: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("x-name", HeaderValue::from_bytes(value).unwrap());
        }
        headers
    }

    #[test]
    fn a_header_is_utf8_or_refused_by_name() {
        let taken = headers(&[" Žofie ".as_bytes()]);
        assert_eq!(header(&taken, "x-name").unwrap(), Some("Žofie"));
        assert_eq!(header(&taken, "x-other").unwrap(), None);
        let latin = headers(&[b"caf\xe9"]);
        let problem = header(&latin, "x-name").unwrap_err();
        assert!(problem.detail().contains("x-name"), "{problem}");
        assert!(header_list(&latin, "x-name").is_err());
    }

    #[test]
    fn a_header_that_came_twice_says_one_thing_or_is_refused() {
        let same = headers(&[b"a", b"a"]);
        assert_eq!(header(&same, "x-name").unwrap(), Some("a"));
        let problem = header(&headers(&[b"a", b"b"]), "x-name").unwrap_err();
        assert!(problem.detail().contains("twice"), "{problem}");
    }

    #[test]
    fn a_list_goes_on_over_lines_and_not_within_quotes() {
        let list = headers(&[b"\"a,b\" , W/\"c\"", b"", b"*"]);
        assert_eq!(
            header_list(&list, "x-name").unwrap().unwrap(),
            ["\"a,b\"", "W/\"c\"", "*"]
        );
        assert_eq!(header_list(&list, "x-other").unwrap(), None);
    }
}
