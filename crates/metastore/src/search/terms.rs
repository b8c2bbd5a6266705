//! A filter from what people type.
//!
//! ```text
//! report "annual plan" -draft (ext:pdf OR ext:odt) size:>1M modified:<30d tag:approved
//! ```
//!
//! Terms stand side by side, and all of them must hold; `OR` between two lets either hold, `-`
//! before one turns it around, parentheses group. A term is a bare word, which is a part of the path
//! whatever its case, or `field:value` with one of `: = != < <= > >=` ([`fields`]). What stands in
//! quotes is taken as it is. Each refusal tells the place and what to type.

mod fields;
mod values;

use super::filter::{CONDITIONS, DEPTH, Filter, Refusal};
use journal::Time;
use journal::compare::fold;

pub(crate) use fields::{NAMES, name_of_field};

/// The longest text that is taken.
const BYTES: usize = 4_096;

/// The longest first, so that none hides another.
const OPERATORS: &[(&str, Operator)] = &[
    ("!=", Operator::Neq),
    (">=", Operator::Gte),
    ("<=", Operator::Lte),
    (">", Operator::Gt),
    ("<", Operator::Lt),
    ("=", Operator::Eq),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Eq,
    Neq,
    Lt,
    Lte,
    Gt,
    Gte,
}

/// What text spells.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Terms {
    /// `None` if it spells nothing.
    pub(crate) filter: Option<Filter>,
    /// The fields that are none of Tidemark's own, so of the metadata: perhaps mistyped.
    pub(crate) others: Vec<String>,
}

/// A value as it was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Typed {
    text: String,
    is_quoted: bool,
}

impl Typed {
    fn is_glob(&self) -> bool {
        !self.is_quoted && self.text.contains(['*', '?'])
    }
}

/// What `text`, found at `pointer`, spells; ages count back from `now`.
pub(crate) fn terms(text: &str, pointer: &str, now: Time) -> Result<Terms, Refusal> {
    if text.len() > BYTES {
        return Err(Refusal::new(pointer, format!("at most {BYTES} bytes")));
    }
    let mut parser = Parser {
        text,
        at: 0,
        now,
        room: CONDITIONS,
        others: Vec::new(),
    };
    let filter = parser.parse().map_err(|fault| {
        let place = text.get(..fault.at).unwrap_or(text).chars().count() + 1;
        Refusal::new(pointer, format!("at character {place}: {}", fault.detail))
    })?;
    Ok(Terms {
        filter,
        others: parser.others,
    })
}

/// What is wrong, and from which byte on.
struct Fault {
    at: usize,
    detail: String,
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    now: Time,
    /// So many conditions may follow.
    room: usize,
    others: Vec<String>,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn fault<T>(&self, at: usize, detail: impl Into<String>) -> Result<T, Fault> {
        let detail = detail.into();
        Err(Fault { at, detail })
    }

    fn skip_spaces(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    /// Goes behind a word that joins terms, if one is next.
    fn takes_word(&mut self, word: &str) -> bool {
        let is_next = self.rest().strip_prefix(word).is_some_and(|after| {
            after.is_empty() || after.starts_with(|c: char| c.is_whitespace() || c == '(')
        });
        self.at += if is_next { word.len() } else { 0 };
        is_next
    }

    fn parse(&mut self) -> Result<Option<Filter>, Fault> {
        if let Some(at) = self.text.find('\0') {
            return self.fault(at, "a NUL character is in no path and no value");
        }
        self.skip_spaces();
        if self.rest().is_empty() {
            return Ok(None);
        }
        let filter = self.either(DEPTH)?;
        if self.rest().is_empty() {
            Ok(Some(filter))
        } else {
            self.fault(
                self.at,
                "`)` closes nothing; quote it to look for it: \")\"",
            )
        }
    }

    /// Terms with `OR` between them.
    fn either(&mut self, depth: usize) -> Result<Filter, Fault> {
        let mut filters = vec![self.all(depth)?];
        while self.takes_word("OR") {
            filters.push(self.all(depth)?);
        }
        Ok(one_or(filters, Filter::Any))
    }

    /// Terms side by side.
    fn all(&mut self, depth: usize) -> Result<Filter, Fault> {
        let mut filters = Vec::new();
        loop {
            self.skip_spaces();
            let before = self.at;
            let is_end = self.rest().is_empty() || self.rest().starts_with(')');
            if !filters.is_empty() && (is_end || self.takes_word("OR")) {
                // The caller takes the word.
                self.at = before;
                return Ok(one_or(filters, Filter::All));
            }
            if is_end || self.takes_word("OR") {
                return self.fault(
                    before,
                    "a term is missing here; quote \"OR\" to look for it",
                );
            }
            if self.takes_word("AND") {
                self.skip_spaces();
                if filters.is_empty() || self.rest().is_empty() || self.rest().starts_with(')') {
                    let detail = "AND stands between two terms; quote \"AND\" to look for it";
                    return self.fault(before, detail);
                }
                continue;
            }
            filters.push(self.term(depth)?);
        }
    }

    /// One term, a group, or one of them turned around.
    fn term(&mut self, depth: usize) -> Result<Filter, Fault> {
        let start = self.at;
        let Some(deeper) = depth.checked_sub(1) else {
            return self.fault(start, format!("terms nest at most {DEPTH} deep"));
        };
        let rest = self.rest();
        if self.takes_word("NOT") || rest.strip_prefix('-').is_some_and(begins_term) {
            if self.at == start {
                self.at += 1;
            }
            self.skip_spaces();
            if self.rest().is_empty() {
                return self.fault(start, "a term is missing behind NOT");
            }
            return Ok(Filter::Not(Box::new(self.term(deeper)?)));
        }
        if rest.starts_with('(') {
            self.at += 1;
            let filter = self.either(deeper)?;
            if !self.rest().starts_with(')') {
                return self.fault(start, "this ( is not closed; write ) behind the last term");
            }
            self.at += 1;
            return Ok(filter);
        }
        self.room = match self.room.checked_sub(1) {
            Some(room) => room,
            None => return self.fault(start, format!("at most {CONDITIONS} terms")),
        };
        match self.field() {
            Some((name, operator)) => self.field_term(start, &name, operator),
            None => self.word(start),
        }
    }

    /// The field and the operator at the beginning of a term, if it has them.
    fn field(&mut self) -> Option<(String, Operator)> {
        let rest = self.rest();
        let end = rest.find(|c: char| !is_name_char(c))?;
        let (name, after) = rest.split_at(end);
        // A colon may stand before another operator: `size:>1G` is `size>1G`.
        let bare = after.strip_prefix(':').unwrap_or(after);
        let operator = OPERATORS
            .iter()
            .find(|(symbol, _)| bare.starts_with(symbol));
        let (symbol, operator) = match operator {
            Some((symbol, operator)) => (*symbol, *operator),
            None if after.starts_with(':') => ("", Operator::Eq),
            None => return None,
        };
        let colon = after.len() - bare.len();
        if name.is_empty() {
            return None;
        }
        self.at += end + colon + symbol.len();
        Some((name.to_owned(), operator))
    }

    fn field_term(
        &mut self,
        start: usize,
        name: &str,
        operator: Operator,
    ) -> Result<Filter, Fault> {
        let value_at = self.at;
        let value = self.value()?;
        if value.text.is_empty() && !value.is_quoted {
            let written = self.text.get(start..self.at).unwrap_or(name);
            let detail = format!("{written} has no value; write {written}\"\" for empty text");
            return self.fault(value_at, detail);
        }
        let mut found = fields::term(name, operator, &value, self.now)
            .map_err(|detail| Fault { at: start, detail })?;
        self.others.append(&mut found.others);
        Ok(found.filter)
    }

    fn word(&mut self, start: usize) -> Result<Filter, Fault> {
        let word = self.value()?;
        if !word.is_quoted && word.text.starts_with([':', '=', '<', '>', '!']) {
            let detail = format!(
                "{} has no field before it; write field:value, such as size:>1G, or quote it to look \
                 for it",
                word.text
            );
            return self.fault(start, detail);
        }
        if word.text.is_empty() {
            return self.fault(start, "there is nothing between the quotes");
        }
        if word.is_glob() {
            return fields::bare_glob(&word.text).map_err(|detail| Fault { at: start, detail });
        }
        Ok(Filter::Word(fold(&word.text).into_owned()))
    }

    /// The text up to the next space or to the parenthesis that closes a group, or between quotes.
    fn value(&mut self) -> Result<Typed, Fault> {
        let start = self.at;
        let rest = self.rest();
        let Some(quote @ ('"' | '\'')) = rest.chars().next() else {
            let mut open = 0_usize;
            let end = rest.find(|c: char| match c {
                '(' => {
                    open += 1;
                    false
                }
                ')' if open == 0 => true,
                ')' => {
                    open -= 1;
                    false
                }
                c => c.is_whitespace(),
            });
            let text = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
            self.at += text.len();
            let text = text.to_owned();
            return Ok(Typed {
                text,
                is_quoted: false,
            });
        };
        let mut text = String::new();
        let mut chars = rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => text.extend(chars.next().map(|(_, escaped)| escaped)),
                c if c == quote => {
                    self.at += at + c.len_utf8();
                    return Ok(Typed {
                        text,
                        is_quoted: true,
                    });
                }
                c => text.push(c),
            }
        }
        self.fault(
            start,
            format!("this {quote} is not closed; write {quote} behind the text"),
        )
    }
}

/// Whether a minus before this turns it around.
fn begins_term(after: &str) -> bool {
    after.starts_with(|c: char| !c.is_whitespace() && c != ')')
}

fn is_name_char(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '@')
}

fn one_or(mut filters: Vec<Filter>, many: fn(Vec<Filter>) -> Filter) -> Filter {
    match filters.pop() {
        Some(only) if filters.is_empty() => only,
        last => {
            filters.extend(last);
            many(filters)
        }
    }
}

#[cfg(test)]
mod tests;
