//! The type of a result's column, from SQL's spelling of it: how its Arrow array is to be read.
//!
//! Arrow, as DuckDB fills it, does not carry every type: a `UHUGEINT` becomes a signed number, an
//! `INTERVAL` of more than 292 years of hours overflows, a `TIMETZ` loses its offset. Values of such
//! types are taken as DuckDB's text of them, wherever they stand in a nested type. So are those of
//! types that are not known here.

use crate::schema::quote;

/// Types that Arrow carries as they are. `DECIMAL` and `ENUM` have more behind their names.
const CARRIED: &[&str] = &[
    "\"NULL\"",
    "BIGINT",
    "BLOB",
    "BOOLEAN",
    "DATE",
    "DECIMAL",
    "DOUBLE",
    "ENUM",
    "FLOAT",
    "HUGEINT",
    "INTEGER",
    "JSON",
    "SMALLINT",
    "TIME",
    "TIMESTAMP",
    "TIMESTAMP WITH TIME ZONE",
    "TIMESTAMP_MS",
    "TIMESTAMP_NS",
    "TIMESTAMP_S",
    "TIME_NS",
    "TINYINT",
    "UBIGINT",
    "UINTEGER",
    "USMALLINT",
    "UTINYINT",
    "UUID",
    "VARCHAR",
];

/// How an array is to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// The array says all.
    Arrow,
    /// An integer, which JSON shows as a number whenever it has 64 bits.
    Exact,
    /// Text of an integer.
    Whole,
    /// Text of an interval.
    Interval,
    /// Text of a time with its offset.
    TimeTz,
    /// JSON as text.
    Json,
    /// Text.
    Text,
    /// A list of these, of a fixed length or not.
    List(Box<Self>),
    /// A struct of these.
    Struct(Vec<Self>),
    /// A map from these to those.
    Map(Box<Self>, Box<Self>),
    /// One of these.
    Union(Vec<Self>),
}

/// A type.
#[derive(Debug, PartialEq, Eq)]
enum Kind<'a> {
    Leaf(&'a str),
    /// With what stands behind the element's type.
    List(Box<Self>, &'a str),
    /// Names as they are spelled; none, if the struct's fields have none.
    Struct(Vec<(Option<&'a str>, Self)>),
    Map(Box<Self>, Box<Self>),
    Union(Vec<(Option<&'a str>, Self)>),
}

/// How a column of this type is read, and what it is cast to before, if it must be.
pub(crate) fn form(sql_type: &str) -> (Form, Option<String>) {
    let kind = Kind::of(sql_type.trim());
    match kind.form() {
        Form::Arrow => (Form::Arrow, None),
        form => (form, Some(kind.cast())),
    }
}

impl<'a> Kind<'a> {
    fn of(text: &'a str) -> Self {
        if text.ends_with(']')
            && let Some(open) = text.rfind('[')
        {
            let (element, suffix) = text.split_at(open);
            return Self::List(Box::new(Self::of(element)), suffix);
        }
        let inside = |name: &str| {
            text.strip_prefix(name)?
                .strip_prefix('(')?
                .strip_suffix(')')
        };
        if let Some(members) = inside("STRUCT") {
            return Self::Struct(parts(members).into_iter().map(member).collect());
        }
        if let Some(members) = inside("UNION") {
            return Self::Union(parts(members).into_iter().map(member).collect());
        }
        if let Some(types) = inside("MAP")
            && let [key, value] = parts(types).as_slice()
        {
            return Self::Map(Box::new(Self::of(key)), Box::new(Self::of(value)));
        }
        Self::Leaf(text)
    }

    fn form(&self) -> Form {
        let all = |members: &[(Option<&str>, Self)]| -> Vec<Form> {
            members.iter().map(|(_, kind)| kind.form()).collect()
        };
        let is_plain = |forms: &[Form]| forms.iter().all(|form| *form == Form::Arrow);
        match self {
            Self::Leaf(name) => leaf(name),
            Self::List(element, _) => match element.form() {
                Form::Arrow => Form::Arrow,
                form => Form::List(Box::new(form)),
            },
            Self::Map(key, value) => match (key.form(), value.form()) {
                (Form::Arrow, Form::Arrow) => Form::Arrow,
                (key, value) => Form::Map(Box::new(key), Box::new(value)),
            },
            Self::Struct(members) | Self::Union(members) => {
                let forms = all(members);
                if is_plain(&forms) {
                    return Form::Arrow;
                }
                if members.iter().any(|(name, _)| name.is_none()) {
                    // SQL cannot spell such a type.
                    return Form::Text;
                }
                match self {
                    Self::Union(_) => Form::Union(forms),
                    _ => Form::Struct(forms),
                }
            }
        }
    }

    /// The type to cast to.
    fn cast(&self) -> String {
        let all = |members: &[(Option<&str>, Self)]| -> String {
            let list: Vec<_> = members
                .iter()
                .map(|(name, kind)| format!("{} {}", name.unwrap_or_default(), kind.cast()))
                .collect();
            list.join(", ")
        };
        match self.form() {
            Form::Text | Form::Whole | Form::Interval | Form::TimeTz => {
                return "VARCHAR".to_owned();
            }
            Form::Json => return "JSON".to_owned(),
            _ => {}
        }
        match self {
            Self::Leaf(name) => (*name).to_owned(),
            Self::List(element, suffix) => format!("{}{suffix}", element.cast()),
            Self::Map(key, value) => format!("MAP({}, {})", key.cast(), value.cast()),
            Self::Struct(members) => format!("STRUCT({})", all(members)),
            Self::Union(members) => format!("UNION({})", all(members)),
        }
    }
}

fn leaf(name: &str) -> Form {
    let base = match name {
        // An enum's values may hold anything.
        _ if name.starts_with("ENUM(") => "ENUM",
        _ => name.split('(').next().unwrap_or(name),
    };
    match base {
        "UHUGEINT" | "BIGNUM" => Form::Whole,
        "INTERVAL" => Form::Interval,
        "TIME WITH TIME ZONE" => Form::TimeTz,
        "VARIANT" => Form::Json,
        _ if CARRIED.contains(&base) => Form::Arrow,
        _ => Form::Text,
    }
}

/// The parts between commas that stand in no brackets and no quotes.
fn parts(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut quote, mut start) = (0_usize, None, 0);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                parts.push(text.get(start..at).unwrap_or_default().trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text.get(start..).unwrap_or_default().trim());
    parts
}

/// A field's name and type, or its type alone.
fn member(text: &str) -> (Option<&str>, Kind<'_>) {
    let (name, rest) = match text.strip_prefix('"') {
        Some(quoted) => {
            let mut end = None;
            let mut bytes = quoted.bytes().enumerate().peekable();
            while let Some((at, byte)) = bytes.next() {
                if byte == b'"' && bytes.next_if(|(_, next)| *next == b'"').is_none() {
                    end = Some(at + 2);
                    break;
                }
            }
            text.split_at(end.unwrap_or(text.len()))
        }
        None => text.split_at(text.find([' ', '(', '[']).unwrap_or(text.len())),
    };
    let kind = rest.trim_start();
    if kind.is_empty() || kind.starts_with(['(', '[']) || kind.starts_with("WITH TIME ZONE") {
        return (None, Kind::of(text));
    }
    (Some(name), Kind::of(kind))
}

/// The statement whose columns are those of `sql`, with these casts.
pub(crate) fn cast_around(sql: &str, casts: &[Option<String>]) -> String {
    let names: Vec<_> = (0..casts.len())
        .map(|at| quote(&format!("c{at}")))
        .collect();
    let columns: Vec<_> = names
        .iter()
        .zip(casts)
        .map(|(name, cast)| match cast {
            Some(kind) => format!("CAST({name} AS {kind}) AS {name}"),
            None => name.clone(),
        })
        .collect();
    format!(
        "SELECT {} FROM ({sql}) AS t({})",
        columns.join(", "),
        names.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_that_arrow_does_not_carry_are_cast_where_they_stand() {
        for (sql, expected, cast) in [
            ("INTEGER", Form::Arrow, ""),
            ("DECIMAL(18,3)", Form::Arrow, ""),
            ("ENUM('a, b', 'it''s (c)')[]", Form::Arrow, ""),
            ("STRUCT(a INTEGER, \"b \"\"c\" VARCHAR[])", Form::Arrow, ""),
            ("STRUCT(INTEGER, TIMESTAMP WITH TIME ZONE)", Form::Arrow, ""),
            ("UHUGEINT", Form::Whole, "VARCHAR"),
            ("VARIANT", Form::Json, "JSON"),
            ("SOMETHING_NEW(3)", Form::Text, "VARCHAR"),
            (
                "INTERVAL[2][]",
                Form::List(Box::new(Form::List(Box::new(Form::Interval)))),
                "VARCHAR[2][]",
            ),
            (
                "STRUCT(a UHUGEINT, \"x, y\" MAP(VARCHAR, BIT))",
                Form::Struct(vec![
                    Form::Whole,
                    Form::Map(Box::new(Form::Arrow), Box::new(Form::Text)),
                ]),
                "STRUCT(a VARCHAR, \"x, y\" MAP(VARCHAR, VARCHAR))",
            ),
            (
                "UNION(k TIME WITH TIME ZONE, i INTEGER)",
                Form::Union(vec![Form::TimeTz, Form::Arrow]),
                "UNION(k VARCHAR, i INTEGER)",
            ),
            ("STRUCT(INTEGER, UHUGEINT)", Form::Text, "VARCHAR"),
        ] {
            let cast = (!cast.is_empty()).then(|| cast.to_owned());
            assert_eq!(form(sql), (expected, cast), "{sql}");
        }
    }

    #[test]
    fn the_query_around_casts_what_must_be() {
        let casts = [None, Some("VARCHAR".to_owned())];
        assert_eq!(
            cast_around("SELECT 1, 2", &casts),
            "SELECT \"c0\", CAST(\"c1\" AS VARCHAR) AS \"c1\" FROM (SELECT 1, 2) AS t(\"c0\", \"c1\")"
        );
    }
}
