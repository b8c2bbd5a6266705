//! Which functions a person's statement may call, and how long the values are that they make.
//!
//! A function whose every result is of a fixed length (a number, a time, a truth value) is known
//! from DuckDB's own list, unless it is volatile, which those are that act (`nextval`, `sleep_ms`,
//! `write_log`). All others must stand in the list below; what stands in neither is refused. A name
//! that DuckDB does not know either is left to it, since its error says what may be meant.

use crate::error::Result;
use duckdb::Connection;
use std::collections::HashMap;
use std::sync::OnceLock;

/// Table functions that only read what is in the database, or make rows of nothing.
pub(super) const TABLE_FUNCTIONS: &[&str] = &[
    "duckdb_columns",
    "duckdb_functions",
    "duckdb_keywords",
    "duckdb_schemas",
    "duckdb_tables",
    "duckdb_types",
    "duckdb_views",
    "generate_series",
    "json_each",
    "json_tree",
    "pragma_database_size",
    "pragma_storage_info",
    "pragma_table_info",
    "pragma_version",
    "range",
    "summary",
    "unnest",
];

/// How long a function's value is, by how long its arguments are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Growth {
    /// Of a fixed length.
    Fixed,
    /// Of a fixed length, in a time that grows with the product of the arguments' lengths.
    Compared,
    /// No longer than the longest argument.
    Part,
    /// As `Part`, and at most so many characters as the argument at this place says.
    Cut(usize),
    /// An element of the first argument.
    Element,
    /// As long as all arguments together, so many times.
    Sum(u64),
    /// A number, if the arguments are numbers; a list of all, if they are lists.
    Added,
    /// The first argument times the one at this place.
    Product(usize),
    /// All arguments together, squared.
    Square,
    /// Text out of JSON: all of it many times over, if the path has wildcards.
    Extracted,
    /// As many as the argument at this place says, each as long as the first argument.
    Repeated(usize),
    /// The first argument, and as many as the second says, each as long as the last.
    Padded,
    /// So many bytes for each that the argument at this place says.
    Counted(usize, u64),
    /// The elements of a series.
    Series,
    /// What a format makes of the arguments.
    Formatted,
    /// For each element of the first argument what the lambda makes of it.
    Transformed,
    /// The elements of the first argument for which the lambda holds.
    Filtered,
    /// The lambda over and over.
    Reduced,
    /// What the aggregate function named by the second argument makes of the first.
    Aggregated,
    /// A value that an aggregate gathers from many rows.
    Collected,
    /// An aggregate's value of its rows; with as many arguments as this, it gathers several.
    Picked(usize),
}

const LISTED: &[(Growth, &[&str])] = &[
    (
        Growth::Fixed,
        &[
            "ago",
            "chr",
            "current_catalog",
            "current_database",
            "current_role",
            "current_schema",
            "current_user",
            "date_add",
            "date_part",
            "datepart",
            "dayname",
            "days_in_month",
            "fdiv",
            "fmod",
            "format_bytes",
            "formatreadabledecimalsize",
            "formatreadablesize",
            "gen_random_uuid",
            "geomean",
            "geometric_mean",
            "list_approx_count_distinct",
            "list_avg",
            "list_bit_and",
            "list_bit_or",
            "list_bit_xor",
            "list_bool_and",
            "list_bool_or",
            "list_count",
            "list_entropy",
            "list_kurtosis",
            "list_kurtosis_pop",
            "list_mad",
            "list_product",
            "list_sem",
            "list_skewness",
            "list_stddev_pop",
            "list_stddev_samp",
            "list_sum",
            "list_var_pop",
            "list_var_samp",
            "map_contains_entry",
            "map_contains_value",
            "md5",
            "md5_number_lower",
            "md5_number_upper",
            "monthname",
            "pg_size_pretty",
            "random",
            "round_even",
            "roundbankers",
            "session_user",
            "sha1",
            "sha256",
            "sum",
            "uuid",
            "uuidv4",
            "uuidv7",
            "variant_typeof",
            "version",
            "wavg",
            "weighted_avg",
        ],
    ),
    (
        Growth::Compared,
        &[
            "damerau_levenshtein",
            "editdist3",
            "jaccard",
            "jaro_similarity",
            "jaro_winkler_similarity",
            "levenshtein",
        ],
    ),
    (
        Growth::Part,
        &[
            "array_cross_product",
            "array_distinct",
            "array_grade_up",
            "array_intersect",
            "array_pop_back",
            "array_pop_front",
            "array_reverse",
            "array_reverse_sort",
            "array_slice",
            "array_sort",
            "array_where",
            "constant_or_null",
            "decode",
            "encode",
            "flatten",
            "from_base64",
            "from_binary",
            "from_hex",
            "generate_subscripts",
            "grade_up",
            "greatest",
            "json",
            "lcase",
            "least",
            "list_distinct",
            "list_grade_up",
            "list_intersect",
            "list_reverse",
            "list_reverse_sort",
            "list_slice",
            "list_sort",
            "list_where",
            "lower",
            "ltrim",
            "map_entries",
            "map_keys",
            "map_values",
            "nfc_normalize",
            "nullif",
            "parse_dirname",
            "parse_dirpath",
            "parse_filename",
            "regexp_extract",
            "reverse",
            "rtrim",
            "set_bit",
            "strip_accents",
            "struct_keys",
            "trim",
            "ucase",
            "unbin",
            "unhex",
            "upper",
            "url_decode",
            "&",
            "|",
            "~",
            "<<",
            ">>",
            "xor",
        ],
    ),
    (
        Growth::Cut(1),
        &["left", "left_grapheme", "right", "right_grapheme"],
    ),
    (
        Growth::Cut(2),
        &["substr", "substring", "substring_grapheme"],
    ),
    (
        Growth::Element,
        &[
            "array_extract",
            "element_at",
            "list_any_value",
            "list_element",
            "list_extract",
            "list_first",
            "list_last",
            "list_max",
            "list_median",
            "list_min",
            "list_mode",
            "map_extract",
            "map_extract_value",
            "struct_extract",
            "struct_extract_at",
            "union_extract",
            "unnest",
            "variant_extract",
        ],
    ),
    (
        Growth::Sum(1),
        &[
            "array_append",
            "array_cat",
            "array_concat",
            "array_prepend",
            "array_push_back",
            "array_push_front",
            "array_value",
            "concat",
            "concat_ws",
            "get_type",
            "list_append",
            "list_cat",
            "list_concat",
            "list_pack",
            "list_prepend",
            "list_value",
            "map",
            "map_concat",
            "map_from_entries",
            "pg_typeof",
            "row",
            "struct_concat",
            "struct_insert",
            "struct_pack",
            "struct_update",
            "struct_values",
            "typeof",
            "union_tag",
            "union_value",
            "||",
        ],
    ),
    (
        Growth::Sum(2),
        &[
            "approx_quantile",
            "array_zip",
            "base64",
            "hex",
            "json_merge_patch",
            "list_zip",
            "reservoir_quantile",
            "to_base64",
            "to_hex",
        ],
    ),
    (
        Growth::Sum(4),
        &[
            "regexp_escape",
            "st_astext",
            "st_aswkt",
            "translate",
            "url_encode",
        ],
    ),
    (
        Growth::Sum(8),
        &[
            "array_to_json",
            "bin",
            "json_array",
            "json_keys",
            "json_object",
            "json_quote",
            "json_structure",
            "json_type",
            "list_histogram",
            "row_to_json",
            "to_binary",
            "to_json",
        ],
    ),
    (
        Growth::Sum(18),
        &[
            "from_json",
            "from_json_strict",
            "json_transform",
            "json_transform_strict",
            "parse_path",
            "regexp_extract_all",
            "regexp_split_to_array",
            "regexp_split_to_table",
            "split",
            "split_part",
            "str_split",
            "str_split_regex",
            "string_split",
            "string_split_regex",
            "string_to_array",
        ],
    ),
    (Growth::Sum(16), &["strftime"]),
    (Growth::Added, &["+", "-", "add", "subtract"]),
    (
        Growth::Product(1),
        &[
            "array_select",
            "array_to_string",
            "array_to_string_comma_default",
            "list_select",
            "list_string_agg",
        ],
    ),
    (Growth::Product(2), &["regexp_replace", "replace"]),
    (Growth::Square, &["json_pretty"]),
    (
        Growth::Extracted,
        &[
            "->",
            "->>",
            "json_extract",
            "json_extract_path",
            "json_extract_path_text",
            "json_array_length",
            "json_exists",
            "json_extract_string",
            "json_value",
        ],
    ),
    (Growth::Repeated(1), &["repeat"]),
    (
        Growth::Padded,
        &["array_resize", "list_resize", "lpad", "rpad"],
    ),
    (Growth::Counted(1, 1), &["bitstring"]),
    (Growth::Counted(2, 1), &["to_base"]),
    (Growth::Counted(2, 16), &["equi_width_bins"]),
    (Growth::Counted(3, 4), &["bar"]),
    (Growth::Series, &["generate_series", "range"]),
    (Growth::Formatted, &["format", "printf"]),
    (
        Growth::Transformed,
        &[
            "apply",
            "array_apply",
            "array_transform",
            "list_apply",
            "list_transform",
        ],
    ),
    (Growth::Filtered, &["array_filter", "filter", "list_filter"]),
    (Growth::Reduced, &["array_reduce", "list_reduce", "reduce"]),
    (
        Growth::Aggregated,
        &[
            "aggregate",
            "array_aggr",
            "array_aggregate",
            "list_aggr",
            "list_aggregate",
        ],
    ),
    (
        Growth::Collected,
        &[
            "approx_top_k",
            "array_agg",
            "group_concat",
            "histogram",
            "histogram_exact",
            "json_group_array",
            "json_group_object",
            "json_group_structure",
            "list",
            "listagg",
            "string_agg",
        ],
    ),
    (Growth::Picked(2), &["max", "min"]),
    (
        Growth::Picked(3),
        &[
            "arg_max",
            "arg_max_nulls_last",
            "arg_min",
            "arg_min_nulls_last",
            "argmax",
            "argmin",
            "max_by",
            "min_by",
        ],
    ),
    (
        Growth::Picked(9),
        &[
            "any_value",
            "arbitrary",
            "arg_max_null",
            "arg_min_null",
            "bit_and",
            "bit_or",
            "bit_xor",
            "fill",
            "first",
            "first_value",
            "lag",
            "last",
            "last_value",
            "lead",
            "median",
            "mode",
            "nth_value",
            "quantile",
            "quantile_disc",
        ],
    ),
];

/// The functions that may be called.
#[derive(Debug)]
pub(super) struct Functions {
    /// By name, whether it is one of a fixed length.
    known: HashMap<String, bool>,
}

impl Functions {
    /// As this DuckDB has them; asked for once in a process.
    pub(super) fn of(connection: &Connection) -> Result<&'static Self> {
        static KNOWN: OnceLock<Functions> = OnceLock::new();
        if let Some(known) = KNOWN.get() {
            return Ok(known);
        }
        let known = connection
            .prepare(include_str!("../sql/functions.sql"))?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<duckdb::Result<_>>()?;
        Ok(KNOWN.get_or_init(|| Self { known }))
    }

    /// `None`, if it may not be called.
    pub(super) fn growth(&self, name: &str) -> Option<Growth> {
        let name = name.to_ascii_lowercase();
        let listed = LISTED
            .iter()
            .find(|(_, names)| names.contains(&name.as_str()));
        match listed {
            Some((growth, _)) => Some(*growth),
            None => match self.known.get(&name) {
                Some(false) => None,
                Some(true) | None => Some(Growth::Fixed),
            },
        }
    }
}
