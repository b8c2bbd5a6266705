//! `growth`, `churn`, `top`, `usage` and `as-of`: what the timestore tells of changes.

use super::{Outcome, rows_in};
use crate::client::Services;
use crate::output::{Column, Format, Rows, bytes, escape, say};
use crate::reading::Reading;
use crate::target::{self, Target};
use anyhow::bail;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::ffi::OsString;

/// Where and when.
#[derive(Args, Debug)]
#[group(skip)]
pub struct Scope {
    /// Only below this path: MOUNT:PATH, or a path on this machine; without it, everything
    #[arg(value_name = "PATH")]
    pub path: Option<OsString>,
    /// From this time on: 2026-03-01, 2026-03-01T12:00:00Z, or an age such as 7d
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub from: Option<String>,
    /// Before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub to: Option<String>,
}

/// `tidemark growth`
#[derive(Args, Debug)]
pub struct GrowthArgs {
    /// Where and when.
    #[command(flatten)]
    pub scope: Scope,
    /// The length of a step
    #[arg(long, value_enum, default_value = "day")]
    pub bucket: Bucket,
    /// A series for each of these
    #[arg(long, value_enum, value_name = "WHAT")]
    pub group_by: Option<GroupBy>,
    /// How many levels below PATH the directories of `--group-by prefix` are
    #[arg(long, value_name = "LEVELS")]
    pub depth: Option<u32>,
    /// How to print, and where the services are.
    #[command(flatten)]
    pub reading: Reading,
}

/// `tidemark churn`
#[derive(Args, Debug)]
pub struct ChurnArgs {
    /// Where and when.
    #[command(flatten)]
    pub scope: Scope,
    /// What changes are counted by
    #[arg(long, value_enum, value_name = "WHAT", default_value = "prefix")]
    pub group_by: ChurnBy,
    /// What comes first
    #[arg(long, value_enum, default_value = "changes")]
    pub order: ChurnOrder,
    /// How many levels below PATH the directories of `--group-by prefix` are
    #[arg(long, value_name = "LEVELS")]
    pub depth: Option<u32>,
    /// At most this many lines
    #[arg(long, value_name = "LINES", default_value_t = 20)]
    pub limit: u32,
    /// How to print, and where the services are.
    #[command(flatten)]
    pub reading: Reading,
}

/// `tidemark top`
#[derive(Args, Debug)]
pub struct TopArgs {
    /// What is looked for
    #[arg(value_enum, default_value = "largest")]
    pub by: TopBy,
    /// Where and when.
    #[command(flatten)]
    pub scope: Scope,
    /// Look for directories, each with everything below it
    #[arg(long)]
    pub dirs: bool,
    /// How many levels below PATH the directories of `--dirs` go [default: 1]
    #[arg(long, value_name = "LEVELS", requires = "dirs")]
    pub depth: Option<u32>,
    /// At most this many lines
    #[arg(long, value_name = "LINES", default_value_t = 20)]
    pub limit: u32,
    /// How to print, and where the services are.
    #[command(flatten)]
    pub reading: Reading,
}

/// `tidemark usage`
#[derive(Args, Debug)]
pub struct UsageArgs {
    /// Only below this path: MOUNT:PATH, or a path on this machine; without it, everything
    #[arg(value_name = "PATH")]
    pub path: Option<OsString>,
    /// What bytes are counted by; one or two, with a comma between them
    #[arg(
        long,
        value_enum,
        value_name = "WHAT",
        value_delimiter = ',',
        default_value = "user"
    )]
    pub by: Vec<UsageBy>,
    /// At this time: 2026-03-01, 2026-03-01T12:00:00Z, or an age such as 7d; now, if left out
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub at: Option<String>,
    /// How many levels below PATH the directories of `--by prefix` are
    #[arg(long, value_name = "LEVELS")]
    pub depth: Option<u32>,
    /// At most this many lines
    #[arg(long, value_name = "LINES", default_value_t = 100)]
    pub limit: u32,
    /// How to print, and where the services are.
    #[command(flatten)]
    pub reading: Reading,
}

/// `tidemark duplicates`
#[derive(Args, Debug)]
pub struct DuplicatesArgs {
    /// Only below this path: MOUNT:PATH, or a path on this machine; without it, everything
    #[arg(value_name = "PATH")]
    pub path: Option<OsString>,
    /// At this time: 2026-03-01, 2026-03-01T12:00:00Z, or an age such as 7d; now, if left out
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub at: Option<String>,
    /// At most this many lines
    #[arg(long, value_name = "LINES", default_value_t = 20)]
    pub limit: u32,
    /// How to print, and where the services are.
    #[command(flatten)]
    pub reading: Reading,
}

/// What bytes are counted by.
#[derive(ValueEnum, Clone, Copy, Debug)]
#[value(rename_all = "camelCase")]
pub enum UsageBy {
    User,
    Group,
    Extension,
    /// What kind of file it is
    FileType,
    /// Since when the contents are as they are
    Age,
    /// Since when nobody has read them, where a mount has that asked for
    Accessed,
    Size,
    Mount,
    /// Directories
    Prefix,
}

/// `tidemark as-of`
#[derive(Args, Debug)]
pub struct AsOfArgs {
    /// The time: 2026-03-01, 2026-03-01T12:00:00Z, or an age such as 7d
    #[arg(value_parser = time)]
    pub at: String,
    /// Only below this path: MOUNT:PATH, or a path on this machine; without it, everything
    #[arg(value_name = "PATH")]
    pub path: Option<OsString>,
    /// At most this many nodes
    #[arg(long, value_name = "NODES", default_value_t = 1_000)]
    pub limit: u32,
    /// How to print, and where the services are.
    #[command(flatten)]
    pub reading: Reading,
}

/// The length of a step.
#[derive(ValueEnum, Clone, Copy, Debug)]
pub enum Bucket {
    Hour,
    Day,
    Week,
    Month,
}

impl Bucket {
    const fn title(self) -> &'static str {
        match self {
            Self::Hour => "HOUR",
            Self::Day => "DAY",
            Self::Week => "WEEK",
            Self::Month => "MONTH",
        }
    }

    /// How many characters of its start say which one it is.
    const fn precision(self) -> usize {
        match self {
            Self::Hour => "2026-03-01T12:00".len(),
            Self::Day | Self::Week => "2026-03-01".len(),
            Self::Month => "2026-03".len(),
        }
    }
}

/// What a series is of.
#[derive(ValueEnum, Clone, Copy, Debug)]
pub enum GroupBy {
    Mount,
    Prefix,
    Principal,
    Command,
    User,
    Group,
    Extension,
}

impl GroupBy {
    const fn title(self) -> &'static str {
        match self {
            Self::Mount => "MOUNT",
            Self::Prefix => "DIRECTORY",
            Self::Principal => "PRINCIPAL",
            Self::Command => "COMMAND",
            Self::User => "USER",
            Self::Group => "GROUP",
            Self::Extension => "EXTENSION",
        }
    }
}

impl ChurnBy {
    const fn title(self) -> &'static str {
        match self {
            Self::Prefix => "DIRECTORY",
            Self::Principal => "PRINCIPAL",
            Self::Command => "COMMAND",
            Self::User => "USER",
            Self::Group => "GROUP",
            Self::Extension => "EXTENSION",
            Self::Node => "PATH",
        }
    }
}

/// What changes are counted by.
#[derive(ValueEnum, Clone, Copy, Debug)]
pub enum ChurnBy {
    Prefix,
    Principal,
    Command,
    User,
    Group,
    Extension,
    Node,
}

/// What comes first.
#[derive(ValueEnum, Clone, Copy, Debug)]
#[value(rename_all = "camelCase")]
pub enum ChurnOrder {
    Changes,
    Rewritten,
    Moved,
    Deleted,
    Created,
    BytesWritten,
}

/// What `top` looks for.
#[derive(ValueEnum, Clone, Copy, Debug)]
pub enum TopBy {
    /// The largest
    Largest,
    /// What grew most
    Growing,
    /// What lies untouched longest
    Untouched,
}

pub(crate) fn growth(services: &Services, args: &GrowthArgs) -> anyhow::Result<Outcome> {
    let mut query = scope(services, &args.scope)?;
    query.push(("bucket", word(args.bucket)));
    query.extend(args.group_by.map(|group| ("groupBy", word(group))));
    query.extend(args.depth.map(|depth| ("depth", depth.to_string())));
    let mut columns = vec![Column::text("bucketStart").titled(args.bucket.title())];
    columns.push(match args.group_by {
        Some(group) => Column::text("group").titled(group.title()),
        None => Column::text("group").for_programs(),
    });
    columns.extend([
        Column::bytes("bytesAdded").titled("ADDED"),
        Column::bytes("bytesRemoved").titled("REMOVED"),
        Column::bytes("netBytes").titled("NET"),
        Column::bytes("totalBytes").titled("TOTAL"),
        Column::number("filesAdded"),
        Column::number("filesRemoved"),
        Column::number("files"),
        Column::number("changes"),
    ]);
    let (mut answer, has_more) = ask(services, "/filestore/growth", &query)?;
    if args.reading.output == Format::Table {
        shorten(&mut answer, "bucketStart", args.bucket.precision());
    }
    print(services, answer, has_more, columns, &args.reading)
}

pub(crate) fn churn(services: &Services, args: &ChurnArgs) -> anyhow::Result<Outcome> {
    let mut query = scope(services, &args.scope)?;
    query.push(("groupBy", word(args.group_by)));
    query.push(("order", word(args.order)));
    query.push(("limit", args.limit.to_string()));
    query.extend(args.depth.map(|depth| ("depth", depth.to_string())));
    let mut columns = vec![Column::text("group").titled(args.group_by.title())];
    columns.extend([
        Column::number("changes"),
        Column::number("created"),
        Column::number("rewritten"),
        Column::number("moved"),
        Column::number("deleted"),
        Column::bytes("bytesWritten").titled("WRITTEN"),
        Column::bytes("bytesRemoved").titled("REMOVED"),
        Column::age("lastChangeAt").titled("LAST CHANGE"),
    ]);
    if matches!(args.group_by, ChurnBy::Node) {
        columns.push(Column::number("nodeId"));
    } else {
        columns.push(Column::number("nodes"));
    }
    let (answer, has_more) = ask(services, "/filestore/churn", &query)?;
    print(services, answer, has_more, columns, &args.reading)
}

pub(crate) fn top(services: &Services, args: &TopArgs) -> anyhow::Result<Outcome> {
    let mut query = scope(services, &args.scope)?;
    query.push(("by", word(args.by)));
    query.push(("limit", args.limit.to_string()));
    if args.dirs {
        query.push(("of", "directories".to_owned()));
        query.extend(args.depth.map(|depth| ("depth", depth.to_string())));
        let columns = vec![
            Column::text("path"),
            mount_column(),
            Column::bytes("sizeBytes").titled("SIZE"),
            Column::bytes("grownBytes").titled("GROWN"),
            Column::number("files"),
            Column::age("lastChangeAt").titled("LAST CHANGE"),
            Column::number("backendMountId").for_programs(),
        ];
        let (answer, has_more) = ask(services, "/filestore/top", &query)?;
        return print(services, answer, has_more, columns, &args.reading);
    }
    let columns = vec![
        Column::text("path"),
        mount_column(),
        Column::bytes("sizeBytes").titled("SIZE"),
        Column::bytes("grownBytes").titled("GROWN"),
        Column::number("changes"),
        Column::age("modifiedAt").titled("MODIFIED"),
        Column::age("lastChangeAt").titled("LAST CHANGE"),
        Column::number("nodeId"),
        Column::number("backendMountId").for_programs(),
    ];
    let (answer, has_more) = ask(services, "/filestore/top", &query)?;
    print(services, answer, has_more, columns, &args.reading)
}

pub(crate) fn usage(services: &Services, args: &UsageArgs) -> anyhow::Result<Outcome> {
    let mut query = place(services, args.path.as_ref())?;
    let by: Vec<_> = args.by.iter().map(|by| word(*by)).collect();
    query.push(("by", by.join(",")));
    query.extend(args.at.clone().map(|at| ("at", at)));
    query.extend(args.depth.map(|depth| ("depth", depth.to_string())));
    query.push(("limit", args.limit.to_string()));
    let column = |by: &String| match by.as_str() {
        // Beside the size of all of them.
        "size" => Column::text("size").titled("EACH OF SIZE"),
        by => Column::text(by),
    };
    let mut columns: Vec<_> = by.iter().map(column).collect();
    columns.extend([
        Column::bytes("sizeBytes").titled("SIZE"),
        Column::bytes("allocatedBytes").titled("ALLOCATED"),
        Column::number("files"),
        Column::age("oldest"),
        Column::age("newest"),
        Column::bytes("p50Bytes").titled("MEDIAN"),
        Column::bytes("p90Bytes").titled("P90"),
        Column::bytes("p99Bytes").titled("P99"),
    ]);
    let (answer, has_more) = ask(services, "/filestore/usage", &query)?;
    print(services, answer, has_more, columns, &args.reading)
}

pub(crate) fn duplicates(services: &Services, args: &DuplicatesArgs) -> anyhow::Result<Outcome> {
    let mut query = place(services, args.path.as_ref())?;
    query.extend(args.at.clone().map(|at| ("at", at)));
    query.push(("limit", args.limit.to_string()));
    let columns = vec![
        Column::text("oldestPath").titled("OLDEST COPY"),
        Column::number("copies"),
        Column::bytes("sizeBytes").titled("SIZE"),
        Column::bytes("savedBytes").titled("COULD BE SAVED"),
        Column::age("oldestModifiedAt").titled("MODIFIED"),
        Column::text("paths").for_programs(),
        Column::text("contentHash").for_programs(),
    ];
    let (answer, has_more) = ask(services, "/filestore/duplicates", &query)?;
    let is_empty = answer.get("rows").is_some_and(|rows| rows == &json!([]));
    if is_empty {
        say(
            "only files whose content hash is known are compared; see `tidemark mounts set --help`",
        );
    }
    print(services, answer, has_more, columns, &args.reading)
}

pub(crate) fn as_of(services: &Services, args: &AsOfArgs) -> anyhow::Result<Outcome> {
    let mut query = place(services, args.path.as_ref())?;
    query.push(("at", args.at.clone()));
    query.push(("limit", args.limit.to_string()));
    let (answer, has_more) = ask(services, "/filestore/as-of", &query)?;
    let count = |key: &str| answer.get(key).and_then(Value::as_i64).unwrap_or_default();
    let (files, directories, size) = (count("files"), count("directories"), count("sizeBytes"));
    let at = answer.get("at").and_then(Value::as_str).unwrap_or(&args.at);
    say(format_args!(
        "as of {}: {files} files in {directories} directories, {}",
        escape(at),
        bytes(size)
    ));
    let columns = vec![
        Column::text("path"),
        mount_column(),
        Column::text("kind"),
        Column::bytes("sizeBytes").titled("SIZE"),
        Column::time("lastChangeAt").titled("LAST CHANGE"),
        Column::number("nodeId"),
        Column::number("backendMountId").for_programs(),
        Column::number("journalId").for_programs(),
    ];
    print(services, answer, has_more, columns, &args.reading)
}

type Query = Vec<(&'static str, String)>;

/// The answer, and whether there are more lines than were asked for.
fn ask(services: &Services, path: &str, query: &Query) -> anyhow::Result<(Value, bool)> {
    let timestore = &services.timestore;
    let answer = timestore.json(timestore.get(path).query(query))?;
    // That there are no more lines than were asked for needs no warning.
    let is_as_asked = answer.get("truncated") == Some(&Value::Bool(true))
        && query.iter().any(|(name, _)| *name == "limit");
    let warnings = answer.get("warnings").and_then(Value::as_array);
    for warning in warnings.into_iter().flatten().filter(|_| !is_as_asked) {
        let warning = warning.as_str().unwrap_or_default();
        say(format_args!("warning: {}", escape(warning)));
    }
    Ok((answer, is_as_asked))
}

/// The mount's key; programs have its id.
fn mount_column() -> Column {
    Column::text("mount").for_people()
}

/// The times of this field, cut to as many characters.
fn shorten(answer: &mut Value, key: &str, length: usize) {
    let series = answer.get_mut("series").and_then(Value::as_array_mut);
    for row in series.into_iter().flatten() {
        if let Some(Value::String(time)) = row.get_mut(key)
            && time.is_char_boundary(length)
        {
            time.truncate(length);
        }
    }
}

/// Prints the rows of the answer.
fn print(
    services: &Services,
    answer: Value,
    has_more: bool,
    columns: Vec<Column>,
    reading: &Reading,
) -> anyhow::Result<Outcome> {
    let mut rows = rows_in(answer, &["series", "rows", "nodes"]);
    let named_mounts = rows.iter().any(|row| row.contains_key("backendMountId"));
    if reading.output == Format::Table && named_mounts {
        // A name is a courtesy: without filestore the id does.
        let mounts = target::mounts(&services.filestore).unwrap_or_default();
        for row in &mut rows {
            let id = row.get("backendMountId").cloned().unwrap_or_default();
            let mount = mounts.iter().find(|mount| Some(mount.id) == id.as_i64());
            let name = mount.map_or(id, |mount| mount.mount_key.clone().into());
            row.insert("mount".to_owned(), name);
        }
    }
    let mut out = Rows::stdout(reading.output, columns);
    for row in &rows {
        out.push(row)?;
    }
    if out.finish()? == 0 {
        say("nothing found for this place and time");
    }
    if has_more {
        say("there are more lines; raise --limit to see them");
    }
    Ok(Outcome::Good)
}

fn scope(services: &Services, scope: &Scope) -> anyhow::Result<Query> {
    let mut query = place(services, scope.path.as_ref())?;
    query.extend(scope.from.clone().map(|from| ("from", from)));
    query.extend(scope.to.clone().map(|to| ("to", to)));
    Ok(query)
}

/// The mount and the path below which to look.
fn place(services: &Services, path: Option<&OsString>) -> anyhow::Result<Query> {
    let Some(path) = path else {
        return Ok(Vec::new());
    };
    match target::find(services, path)? {
        Target::Node(id) => {
            bail!("give a path here, not the node id {id}; for a file of that name, write ./{id}")
        }
        Target::Path { mount_id, path } => {
            let mut query = vec![("mount", mount_id.to_string())];
            if !path.is_empty() {
                query.push(("pathPrefix", path));
            }
            Ok(query)
        }
    }
}

fn word(value: impl ValueEnum) -> String {
    value
        .to_possible_value()
        .map(|value| value.get_name().to_owned())
        .unwrap_or_default()
}

/// A time as the services take it, from a date, a time or an age.
fn time(text: &str) -> Result<String, String> {
    if let Ok(time) = text.parse::<journal::Time>() {
        return Ok(time.to_string());
    }
    // A date is its first moment in UTC, as the services' days are.
    if let Ok(time) = format!("{text}T00:00:00Z").parse::<journal::Time>() {
        return Ok(time.to_string());
    }
    let wanted = "write a time such as 2026-03-01 or 2026-03-01T12:00:00Z, or an age such as 7d";
    let age: jiff::Span = text.parse().map_err(|_| wanted.to_owned())?;
    let now = jiff::Timestamp::now().to_zoned_datetime(jiff::tz::TimeZone::UTC);
    let then = now.checked_sub(age).map_err(|_| wanted.to_owned())?;
    Ok(journal::Time::from(then.timestamp()).to_string())
}

#[cfg(test)]
mod tests {
    use super::time;

    #[test]
    fn a_time_is_a_date_a_time_or_an_age() {
        assert_eq!(time("2026-03-01").unwrap(), "2026-03-01T00:00:00.000Z");
        assert_eq!(
            time("2026-03-01T12:00:00+02:00").unwrap(),
            "2026-03-01T10:00:00.000Z"
        );
        let day = time("1d").unwrap();
        let week = time("1w").unwrap();
        assert!(week < day, "{week} lies before {day}");
        assert!(time("soon").unwrap_err().contains("an age such as 7d"));
    }
}
