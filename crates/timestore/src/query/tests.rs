//! Requests and the SQL they become.

use super::*;
use serde_json::json;

fn dataset() -> Dataset {
    let field = |name: &str, kind| Field {
        name: name.to_owned(),
        kind,
    };
    Dataset {
        id: 7,
        slug: "sensors".to_owned(),
        name: "Sensors".to_owned(),
        table: "sensors".to_owned(),
        is_activity: false,
        fields: vec![
            field("at", FieldType::Timestamp),
            field("site", FieldType::String),
            field("va\"lue", FieldType::Double),
            field("count", FieldType::Integer),
            field("ok", FieldType::Boolean),
        ],
        description: None,
        status: crate::catalogue::Status::Active,
        metadata: serde_json::Map::new(),
        created_at: journal::Time::default(),
        updated_at: journal::Time::default(),
    }
}

fn planned(mut body: serde_json::Value) -> Result<Plan> {
    body["timeRange"] = json!({"start": "2026-03-01T00:00:00Z", "end": "2026-03-02T00:00:00Z"});
    let dataset = dataset();
    let request = serde_json::from_value(body).unwrap();
    plan(&dataset, &dataset.quoted_table(), &request)
}

#[test]
fn a_request_becomes_quoted_names_and_bound_values() {
    let plan = planned(json!({
        "columns": ["va\"lue"],
        "filters": {
            "partitionKey": {"date": ["2026-03-01"]},
            "columns": {"site": {"eq": "x' OR 1=1 --", "prefix": "x"}, "count": {"between": [1, 2.5]}}
        },
        "limit": 5
    }))
    .unwrap();
    assert_eq!(
        plan.sql,
        "SELECT \"at\", \"va\"\"lue\" FROM main.\"sensors\" WHERE \"at\" >= ? AND \"at\" < ? \
         AND \"_partition\" IN (SELECT id FROM tidemark.partitions WHERE dataset_id = ? \
         AND json_extract_string(partition_key, ?) IN (?)) \
         AND \"count\" BETWEEN ? AND ? AND \"site\" = ? AND starts_with(\"site\", ?)  \
         ORDER BY \"at\" LIMIT 6"
    );
    assert_eq!(plan.params.len(), plan.sql.matches('?').count());
    assert!(
        plan.params
            .contains(&Value::Text("x' OR 1=1 --".to_owned()))
    );
    assert_eq!(plan.mode, "raw");
}

#[test]
fn a_downsampled_request_names_its_columns() {
    let plan = planned(json!({"downsample": {"intervalUnit": "hour", "intervalSize": 6, "aggregations": [
        {"fn": "count"}, {"fn": "percentile", "column": "count", "percentile": 0.9, "alias": "p\"90"},
        {"fn": "count_distinct", "column": "site"}
    ]}}))
    .unwrap();
    assert_eq!(
        plan.sql,
        "SELECT time_bucket(to_hours(?), \"at\") AS \"at\", count(*) AS \"count\", \
         quantile_cont(\"count\", ?) AS \"p\"\"90\", \
         count(DISTINCT \"site\") AS \"count_distinct_site\" FROM main.\"sensors\" \
         WHERE \"at\" >= ? AND \"at\" < ? GROUP BY 1 ORDER BY 1 LIMIT 1001"
    );
    assert_eq!(plan.params.len(), plan.sql.matches('?').count());
}

#[test]
fn what_cannot_be_answered_is_named() {
    let aggregation = |value: serde_json::Value| json!({"downsample": {"aggregations": [value]}});
    for (body, pointer) in [
        (json!({"columns": ["nope"]}), "/columns/0"),
        (json!({"timestampColumn": "site"}), "/timestampColumn"),
        (json!({"timestampColumn": "nope"}), "/timestampColumn"),
        (json!({"limit": 0}), "/limit"),
        (json!({"limit": 10_001}), "/limit"),
        (
            json!({"filters": {"columns": {"nope": {"eq": 1}}}}),
            "/filters/columns/nope",
        ),
        (
            json!({"filters": {"columns": {"count": {}}}}),
            "/filters/columns/count",
        ),
        (
            json!({"filters": {"columns": {"count": {"eq": "1"}}}}),
            "/filters/columns/count/eq",
        ),
        (
            json!({"filters": {"columns": {"count": {"in": []}}}}),
            "/filters/columns/count/in",
        ),
        (
            json!({"filters": {"columns": {"count": {"between": [1]}}}}),
            "/filters/columns/count/between",
        ),
        (
            json!({"filters": {"columns": {"at": {"gt": "noon"}}}}),
            "/filters/columns/at/gt",
        ),
        (
            json!({"filters": {"columns": {"ok": {"eq": 1}}}}),
            "/filters/columns/ok/eq",
        ),
        (
            json!({"filters": {"columns": {"count": {"prefix": "1"}}}}),
            "/filters/columns/count",
        ),
        (
            json!({"filters": {"partitionKey": {"a\"b": ["x"]}}}),
            "/filters/partitionKey/a\"b",
        ),
        (
            aggregation(json!({"fn": "avg"})),
            "/downsample/aggregations/0/column",
        ),
        (
            aggregation(json!({"fn": "sum", "column": "site"})),
            "/downsample/aggregations/0/column",
        ),
        (
            aggregation(json!({"fn": "percentile", "column": "count", "percentile": 90})),
            "/downsample/aggregations/0/percentile",
        ),
        (
            aggregation(json!({"fn": "count", "alias": "At"})),
            "/downsample/aggregations/0/alias",
        ),
        (
            json!({"downsample": {"aggregations": []}}),
            "/downsample/aggregations",
        ),
        (
            json!({"downsample": {"intervalSize": 0, "aggregations": [{"fn": "count"}]}}),
            "/downsample/intervalSize",
        ),
        (
            json!({"columns": ["at"], "downsample": {"aggregations": [{"fn": "count"}]}}),
            "/columns",
        ),
    ] {
        match planned(body.clone()) {
            Err(Error::Invalid { pointer: found, .. }) => assert_eq!(found, pointer, "{body}"),
            other => panic!("{body}: {other:?}"),
        }
    }
}
