//! Rows by intervals of time.

use super::{body, ingest, query};
use crate::support::{Fixture, at};
use journal::Time;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A row of the model: time in microseconds, site, value.
type Row = (i64, String, Option<f64>);

/// What downsampling by `width` must give, in plain Rust.
fn model(rows: &[Row], bucket: impl Fn(i64) -> i64) -> Vec<Value> {
    let mut buckets: BTreeMap<i64, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        buckets.entry(bucket(row.0)).or_default().push(row);
    }
    buckets
        .into_iter()
        .map(|(start, rows)| {
            let mut values: Vec<f64> = rows.iter().filter_map(|row| row.2).collect();
            values.sort_by(f64::total_cmp);
            let sites: BTreeSet<_> = rows.iter().map(|row| &row.1).collect();
            let percentile = |share: f64| {
                let place = share * (values.len() - 1) as f64;
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a place in the list"
                )]
                let at = |place: f64| values[place as usize];
                let (low, high) = (at(place.floor()), at(place.ceil()));
                low + (high - low) * (place - place.floor())
            };
            let sum: f64 = values.iter().sum();
            let present = !values.is_empty();
            let opt = |value: &dyn Fn() -> f64| if present { json!(value()) } else { json!(null) };
            json!({
                "at": Time::from_millis(start.div_euclid(1000)),
                "count": rows.len(), "count_value": values.len(), "count_distinct_site": sites.len(),
                "sum_value": opt(&|| sum), "avg_value": opt(&|| sum / values.len() as f64),
                "min_value": opt(&|| values[0]), "max_value": opt(&|| values[values.len() - 1]),
                "median_value": opt(&|| percentile(0.5)), "p90": opt(&|| percentile(0.9)),
            })
        })
        .collect()
}

fn assert_close(found: &[Value], expected: &[Value], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        for (name, value) in expected.as_object().unwrap() {
            match (found[name].as_f64(), value.as_f64()) {
                (Some(a), Some(b)) => assert!(
                    (a - b).abs() <= 1e-9 * b.abs().max(1.0),
                    "{what} {name}: {found} {expected}"
                ),
                _ => assert_eq!(&found[name], value, "{what} {name}"),
            }
        }
    }
}

#[tokio::test]
async fn downsampling_agrees_with_plain_rust() {
    let fixture = Fixture::new();
    let start = at("2025-12-30T22:17:03.250Z").as_micros();
    // Irregular steps, gaps, some values missing; times go back now and then.
    let rows: Vec<Row> = (0..700_i64)
        .map(|n| {
            let time = start + n * 5_417_000_000 - (n % 13) * 9_100_000_000;
            let value = (n % 11 != 0).then(|| ((n * 7919) % 1000) as f64 / 8.0 - 40.0);
            (time, format!("s{}", n % 3), value)
        })
        .collect();
    let sent: Vec<_> = rows
        .iter()
        .map(|(time, site, value)| json!({"at": Time::from_millis(time / 1000), "site": site, "value": value}))
        .collect();
    assert_eq!(ingest(&fixture, &body(sent.into())).await.status, 201);
    let rows: Vec<Row> = rows
        .into_iter()
        .map(|(time, site, value)| (time / 1000 * 1000, site, value))
        .collect();
    // DuckDB counts from Monday 2000-01-03, months from 2000-01-01.
    let origin = at("2000-01-03T00:00:00Z").as_micros();
    let second = 1_000_000_i64;
    let units = [
        ("second", second),
        ("minute", 60 * second),
        ("hour", 3600 * second),
        ("day", 86_400 * second),
        ("week", 7 * 86_400 * second),
    ];
    let aggregations = json!([
        {"fn": "count"}, {"fn": "count", "column": "value"}, {"fn": "count_distinct", "column": "site"},
        {"fn": "sum", "column": "value"}, {"fn": "avg", "column": "value"}, {"fn": "min", "column": "value"},
        {"fn": "max", "column": "value"}, {"fn": "median", "column": "value"},
        {"fn": "percentile", "column": "value", "percentile": 0.9, "alias": "p90"},
    ]);
    let range = json!({"start": "2025-01-01T00:00:00Z", "end": "2027-01-01T00:00:00Z"});
    for (unit, width) in units {
        for size in [1, 2, 7, 90] {
            let expected = model(&rows, |time| {
                (time - origin).div_euclid(width * size) * width * size + origin
            });
            let body = json!({"timeRange": range, "limit": 10_000,
                "downsample": {"intervalUnit": unit, "intervalSize": size, "aggregations": aggregations}});
            let answer = query(&fixture, body).await;
            assert_close(&answer.rows("rows"), &expected, &format!("{size} {unit}"));
            assert_eq!(answer.json()["mode"], json!("downsampled"));
        }
    }
    let month = |time: i64| {
        let text = Time::from_millis(time / 1000).to_string();
        at(&format!("{}-01T00:00:00Z", &text[..7])).as_micros()
    };
    let body = json!({"timeRange": range, "downsample": {"intervalUnit": "month", "aggregations": aggregations}});
    assert_close(
        &query(&fixture, body).await.rows("rows"),
        &model(&rows, month),
        "month",
    );
}
