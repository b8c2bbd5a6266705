//! A filter as SQL.

use super::field::{Column, JsonField};
use super::filter::{Filter, JsonTest, Scalar, TagsTest, Test};
use rusqlite::types::Value as Sql;

/// Words in one call; SQLite bounds the arguments of a function.
const WORDS: usize = 64;

/// SQL text and the values bound to it, in step.
#[derive(Debug, Default)]
pub(crate) struct Statement {
    pub(crate) text: String,
    pub(crate) params: Vec<Sql>,
}

impl Statement {
    pub(crate) fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    pub(crate) fn bind(&mut self, value: impl Into<Sql>) -> &mut Self {
        self.text.push('?');
        self.params.push(value.into());
        self
    }

    /// Appends the condition that `filter` is.
    pub(crate) fn filter(&mut self, filter: &Filter) {
        match filter {
            Filter::Column(column, test) => self.column(column, test),
            Filter::Json(field, test) => self.json(field, test),
            Filter::Tags(test) => self.tags(test),
            Filter::Word(word) => self.words(&[word]),
            Filter::HasNode(true) => {
                self.push("n.node_id IS NOT NULL");
            }
            Filter::HasNode(false) => {
                self.push("n.node_id IS NULL");
            }
            Filter::All(filters) => {
                // One call for all words: it is made for each path that a walk comes to.
                let words: Vec<_> = filters.iter().filter_map(word).collect();
                for words in words.chunks(WORDS) {
                    self.words(words);
                    self.push(" AND ");
                }
                let others = filters.iter().filter(|it| word(it).is_none());
                self.group(others, " AND ", "1");
            }
            Filter::Any(filters) => self.group(filters.iter(), " OR ", "0"),
            Filter::Not(inner) => {
                self.push("(");
                self.filter(inner);
                // Not `NOT`: unknown is false here, so its opposite is true.
                self.push(") IS NOT TRUE");
            }
        }
    }

    fn words(&mut self, words: &[&String]) {
        self.push("path_has(n.path");
        for word in words {
            self.push(", ").bind((*word).clone());
        }
        self.push(")");
    }

    fn group<'f>(&mut self, filters: impl Iterator<Item = &'f Filter>, joiner: &str, empty: &str) {
        let mut is_empty = true;
        for filter in filters {
            self.push(if is_empty { "(" } else { joiner }).push("(");
            self.filter(filter);
            self.push(")");
            is_empty = false;
        }
        self.push(if is_empty { empty } else { ")" });
    }

    fn column(&mut self, column: &Column, test: &Test<Sql>) {
        self.test(
            |sql| {
                sql.push(column.sql);
            },
            test,
            Sql::clone,
        );
    }

    fn json(&mut self, field: &JsonField, test: &JsonTest) {
        let path = field.path();
        match test {
            JsonTest::Is(Test::Eq(None)) => {
                self.push("coalesce(json_type(")
                    .push(field.sql)
                    .push(", ")
                    .bind(path);
                self.push("), 'null') = 'null'");
            }
            JsonTest::Is(Test::Eq(Some(Scalar::Bool(value)))) => {
                self.push("json_type(")
                    .push(field.sql)
                    .push(", ")
                    .bind(path);
                self.push(if *value { ") = 'true'" } else { ") = 'false'" });
            }
            JsonTest::Is(test) => {
                self.push("(json_type(")
                    .push(field.sql)
                    .push(", ")
                    .bind(path.clone());
                self.push(if is_of_text(test) {
                    ") = 'text' AND "
                } else {
                    ") IN ('integer', 'real') AND "
                });
                let value = |sql: &mut Self| {
                    sql.push("json_extract(")
                        .push(field.sql)
                        .push(", ")
                        .bind(path.clone())
                        .push(")");
                };
                self.test(value, test, scalar);
                self.push(")");
            }
            JsonTest::Equals(wanted) => self.call("json_same", field, &path, wanted.to_string()),
            JsonTest::Contains(wanted) => {
                self.call("json_contains", field, &path, wanted.to_string())
            }
            JsonTest::HasAny(wanted) => {
                let wanted = serde_json::Value::Array(wanted.clone()).to_string();
                self.call("json_has_any", field, &path, wanted);
            }
            JsonTest::HasKey(key) => {
                self.push("(json_type(")
                    .push(field.sql)
                    .push(", ")
                    .bind(path.clone());
                self.push(") = 'object' AND EXISTS (SELECT 1 FROM json_each(")
                    .push(field.sql);
                self.push(", ")
                    .bind(path)
                    .push(") WHERE key = ")
                    .bind(key.clone())
                    .push("))");
            }
        }
    }

    fn call(&mut self, function: &str, field: &JsonField, path: &str, wanted: String) {
        self.push(function)
            .push("(")
            .push(field.sql)
            .push(" -> ")
            .bind(path.to_owned());
        self.push(", ").bind(wanted).push(")");
    }

    fn tags(&mut self, test: &TagsTest) {
        match test {
            TagsTest::HasAll(tags) => {
                for (index, tag) in tags.iter().enumerate() {
                    self.push(if index == 0 { "(" } else { " AND " });
                    self.push("r.id IN (SELECT record_id FROM record_tags WHERE tag = ");
                    self.bind(tag.clone()).push(")");
                }
                self.push(")");
            }
            TagsTest::HasAny(tags) => {
                self.push("r.id IN (SELECT record_id FROM record_tags WHERE tag IN (");
                for (index, tag) in tags.iter().enumerate() {
                    self.push(if index == 0 { "" } else { ", " })
                        .bind(tag.clone());
                }
                self.push("))");
            }
            TagsTest::HasSome => {
                self.push("EXISTS (SELECT 1 FROM record_tags t WHERE t.record_id = r.id)");
            }
            TagsTest::One(test) => {
                self.push("r.id IN (SELECT t.record_id FROM record_tags t WHERE ");
                self.test(
                    |sql| {
                        sql.push("t.tag");
                    },
                    test,
                    Sql::clone,
                );
                self.push(")");
            }
        }
    }

    /// Appends a test of what `value` appends.
    pub(super) fn test<V>(
        &mut self,
        value: impl Fn(&mut Self),
        test: &Test<V>,
        to_sql: fn(&V) -> Sql,
    ) {
        let mut compare = |operator: &str, with: &V| {
            value(self);
            self.push(operator).bind(to_sql(with));
        };
        match test {
            Test::Eq(Some(with)) => compare(" = ", with),
            Test::Less(with) => compare(" < ", with),
            Test::LessOrEqual(with) => compare(" <= ", with),
            Test::Greater(with) => compare(" > ", with),
            Test::GreaterOrEqual(with) => compare(" >= ", with),
            Test::Eq(None) => {
                value(self);
                self.push(" IS NULL");
            }
            Test::Between(low, high) => {
                value(self);
                self.push(" BETWEEN ")
                    .bind(to_sql(low))
                    .push(" AND ")
                    .bind(to_sql(high));
            }
            Test::Prefix(prefix) => self.prefix(&value, prefix),
            Test::Glob(glob) => {
                self.push("(");
                self.prefix(&value, literal_prefix(glob));
                self.push(" AND glob_matches(")
                    .bind(glob.clone())
                    .push(", ");
                value(self);
                self.push("))");
            }
            Test::Holds(part) => {
                self.push("instr(");
                value(self);
                self.push(", ").bind(part.clone()).push(") > 0");
            }
        }
    }

    /// A prefix as a range, which an index can answer.
    pub(super) fn prefix(&mut self, value: &impl Fn(&mut Self), prefix: &str) {
        self.push("(");
        value(self);
        self.push(" >= ").bind(prefix.to_owned());
        if let Some(end) = successor(prefix) {
            self.push(" AND ");
            value(self);
            self.push(" < ").bind(end);
        }
        self.push(")");
    }
}

fn word(filter: &Filter) -> Option<&String> {
    match filter {
        Filter::Word(word) => Some(word),
        _ => None,
    }
}

fn is_of_text(test: &Test<Scalar>) -> bool {
    match test {
        Test::Eq(Some(value))
        | Test::Less(value)
        | Test::LessOrEqual(value)
        | Test::Greater(value)
        | Test::GreaterOrEqual(value)
        | Test::Between(value, _) => matches!(value, Scalar::Text(_)),
        Test::Prefix(_) | Test::Glob(_) | Test::Holds(_) => true,
        Test::Eq(None) => false,
    }
}

pub(super) fn scalar(value: &Scalar) -> Sql {
    match value {
        Scalar::Bool(value) => Sql::Integer(i64::from(*value)),
        Scalar::Integer(number) => Sql::Integer(*number),
        Scalar::Real(number) => Sql::Real(*number),
        Scalar::Text(text) => Sql::Text(text.clone()),
    }
}

/// The part of a glob that every match begins with.
pub(crate) fn literal_prefix(glob: &str) -> &str {
    let end = glob.find(['*', '?', '[', '{', '\\']).unwrap_or(glob.len());
    let literal = glob.get(..end).unwrap_or_default();
    // `a/**` matches `a/` and below, and globset lets `/**` match nothing too.
    literal.strip_suffix('/').unwrap_or(literal)
}

/// The least text above all texts that begin with `prefix`; `None` if there is none.
pub(crate) fn successor(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        // The order of UTF-8 bytes is the order of code points; a range of chars skips surrogates.
        if let Some(next) = (last..=char::MAX).nth(1) {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_successor_is_above_everything_with_the_prefix() {
        for (prefix, end) in [
            ("a", Some("b")),
            ("docs/", Some("docs0")),
            ("\u{d7ff}", Some("\u{e000}")),
            ("a\u{10ffff}", Some("b")),
            ("\u{10ffff}", None),
            ("", None),
        ] {
            assert_eq!(successor(prefix).as_deref(), end, "{prefix:?}");
        }
    }

    #[test]
    fn a_glob_begins_with_its_literal_part() {
        for (glob, literal) in [
            ("docs/**", "docs"),
            ("a/b*.md", "a/b"),
            ("**/x", ""),
            ("plain", "plain"),
            ("a{b,c}", "a"),
        ] {
            assert_eq!(literal_prefix(glob), literal, "{glob}");
        }
    }
}
