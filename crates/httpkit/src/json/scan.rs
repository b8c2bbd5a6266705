//! One pass over the text of a JSON document, before it is decoded: numbers, names that come
//! twice, nesting. Whether it is JSON at all is for the decoder to say, which names the place: the
//! pass leaves off at what it does not understand.

use std::borrow::Cow;

use super::{Fault, number, push};

/// How many objects and arrays may stand in one another, the outermost one included.
///
/// Less than what readers take by default (128), so that what is taken can be shown within other
/// objects: in a page of records, in an event, on the command line.
pub const MAX_DEPTH: usize = 64;

/// An object or array that is not closed yet.
#[derive(Clone, Copy)]
enum Open {
    /// Its names stand in `names` from here on.
    Object(usize),
    /// The index of the present element.
    Array(usize),
}

struct Scan<'a> {
    text: &'a [u8],
    at: usize,
    open: Vec<Open>,
    /// The names so far of every open object; the last one of each leads to the present value.
    names: Vec<Cow<'a, [u8]>>,
    wants_name: bool,
}

pub(super) fn check(text: &[u8]) -> Result<(), Fault> {
    let mut scan = Scan {
        text,
        at: 0,
        open: Vec::new(),
        names: Vec::new(),
        wants_name: false,
    };
    while let Some(byte) = scan.text.get(scan.at) {
        let goes_on = match byte {
            b'{' => {
                scan.wants_name = true;
                let first = scan.names.len();
                scan.enter(Open::Object(first))?
            }
            b'[' => scan.enter(Open::Array(0))?,
            b'}' | b']' => scan.leave(*byte)?,
            b',' => scan.next(),
            b'"' => scan.string(),
            b'-' | b'0'..=b'9' => scan.number()?,
            _ => scan.skip(1),
        };
        if !goes_on {
            break;
        }
    }
    Ok(())
}

impl<'a> Scan<'a> {
    fn skip(&mut self, bytes: usize) -> bool {
        self.at = self.at.saturating_add(bytes);
        true
    }

    fn enter(&mut self, open: Open) -> Result<bool, Fault> {
        if self.open.len() >= MAX_DEPTH {
            let detail = format!(
                "at most {MAX_DEPTH} levels of objects and arrays in one another are taken"
            );
            return Err(Fault::at(String::new(), detail));
        }
        self.open.push(open);
        Ok(self.skip(1))
    }

    fn leave(&mut self, bracket: u8) -> Result<bool, Fault> {
        match (self.open.last(), bracket) {
            (Some(Open::Object(first)), b'}') => {
                let first = *first;
                self.check_names(first)?;
                self.names.truncate(first);
            }
            (Some(Open::Array(_)), b']') => {}
            _ => return Ok(false),
        }
        self.open.pop();
        self.wants_name = false;
        Ok(self.skip(1))
    }

    fn next(&mut self) -> bool {
        match self.open.last_mut() {
            Some(Open::Array(index)) => *index = index.saturating_add(1),
            Some(Open::Object(_)) => self.wants_name = true,
            None => {}
        }
        self.skip(1)
    }

    fn check_names(&mut self, first: usize) -> Result<(), Fault> {
        let Some(names) = self.names.get_mut(first..) else {
            return Ok(());
        };
        if names.len() < 2 {
            return Ok(());
        }
        names.sort_unstable();
        let twice = names
            .array_windows()
            .find_map(|[name, next]| (name == next).then(|| name.clone()));
        let Some(name) = twice else {
            return Ok(());
        };
        self.names.truncate(first);
        self.names.push(name);
        let detail = "the name stands twice in one object; send it once";
        Err(Fault::at(self.pointer(), detail))
    }

    fn string(&mut self) -> bool {
        let start = self.at.saturating_add(1);
        let mut end = start;
        let mut is_escaped = false;
        loop {
            match self.text.get(end) {
                None => return false,
                Some(b'"') => break,
                Some(b'\\') => {
                    is_escaped = true;
                    end = end.saturating_add(2);
                }
                Some(_) => end = end.saturating_add(1),
            }
        }
        if self.wants_name {
            self.wants_name = false;
            let name = self.text.get(start..end).unwrap_or_default();
            self.names.push(if is_escaped {
                unescaped(self.text.get(self.at..=end).unwrap_or_default(), name)
            } else {
                Cow::Borrowed(name)
            });
        }
        self.at = end.saturating_add(1);
        true
    }

    fn number(&mut self) -> Result<bool, Fault> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = rest
            .iter()
            .position(|byte| !matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'))
            .unwrap_or(rest.len());
        let text = rest.get(..length).unwrap_or_default();
        // Up to 15 digits, and nothing else, are always kept.
        let is_short = length <= 15 && text.iter().all(u8::is_ascii_digit);
        if !is_short && let Some(detail) = std::str::from_utf8(text).ok().and_then(number::fault) {
            return Err(Fault::at(self.pointer(), detail));
        }
        Ok(self.skip(length))
    }

    /// The JSON pointer to where the pass is.
    fn pointer(&self) -> String {
        let mut pointer = String::new();
        for (level, open) in self.open.iter().enumerate() {
            match open {
                Open::Array(index) => push(&mut pointer, &index.to_string()),
                Open::Object(_) => {
                    let above = self.open.get(level.saturating_add(1)..).unwrap_or_default();
                    let end = above.iter().find_map(|open| match open {
                        Open::Object(first) => Some(*first),
                        Open::Array(_) => None,
                    });
                    let names = self.names.get(..end.unwrap_or(self.names.len()));
                    if let Some(name) = names.and_then(<[_]>::last) {
                        push(&mut pointer, &String::from_utf8_lossy(name));
                    }
                }
            }
        }
        pointer
    }
}

/// What the quoted name says; as it stands, if that is no JSON.
fn unescaped<'a>(quoted: &[u8], name: &'a [u8]) -> Cow<'a, [u8]> {
    serde_json::from_slice::<String>(quoted)
        .map_or(Cow::Borrowed(name), |name| Cow::Owned(name.into_bytes()))
}
