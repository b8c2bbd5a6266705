//! Values that fit their field come back, others are refused.

use crate::support::Fixture;
use axum::http::Method;
use serde_json::json;
use std::sync::Arc;

fn arrow_stream(column: timestore::arrow::array::ArrayRef) -> Vec<u8> {
    use timestore::arrow::record_batch::RecordBatch;
    let batch = RecordBatch::try_from_iter([("v", column)]).unwrap();
    let mut bytes = Vec::new();
    let mut writer = arrow_ipc::writer::StreamWriter::try_new(&mut bytes, &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    drop(writer);
    bytes
}

#[tokio::test]
async fn values_out_of_range_are_refused_by_row_and_field() {
    use timestore::arrow::array::{
        Date64Array, Float64Array, TimestampMicrosecondArray, TimestampNanosecondArray,
        TimestampSecondArray,
    };
    let fixture = Fixture::new();
    let arrow = [("content-type", "application/vnd.apache.arrow.stream")];
    let bodies: Vec<timestore::arrow::array::ArrayRef> = vec![
        Arc::new(TimestampSecondArray::from(vec![
            Some(0),
            None,
            Some(i64::MAX / 10),
        ])),
        Arc::new(Date64Array::from(vec![Some(0), None, Some(i64::MAX / 10)])),
        Arc::new(TimestampMicrosecondArray::from(vec![
            Some(0),
            None,
            Some(i64::MAX),
        ])),
        Arc::new(TimestampMicrosecondArray::from(vec![
            Some(0),
            None,
            Some(i64::MIN),
        ])),
        // Cut to microseconds, it would be another time.
        Arc::new(TimestampNanosecondArray::from(vec![
            Some(1_000),
            None,
            Some(-1_001),
        ])),
    ];
    for (number, column) in bodies.into_iter().enumerate() {
        let answer = fixture
            .call(
                Method::POST,
                "/datasets/range/ingest",
                &arrow,
                arrow_stream(column),
            )
            .await;
        let expected = (400, "invalid_request".to_owned(), "/rows/2/v".to_owned());
        assert_eq!(answer.problem(), expected, "{number}: {}", answer.text);
    }
    for (kind, value) in [
        ("integer", "9223372036854775808"),
        ("integer", "1.5"),
        ("integer", "1e19"),
        ("double", "9007199254740993"),
        ("double", "-9223372036854775807"),
        ("timestamp", "\"10000-01-01T00:00:00Z\""),
        ("timestamp", "9223372036854775807"),
        ("timestamp", "\"infinity\""),
        ("timestamp", "\"2026-03-01T00:00:00.123456789Z\""),
        ("boolean", "1"),
        ("string", "1"),
    ] {
        let lines = format!("{{\"v\":null}}\n{{\"v\":{value}}}\n");
        let path = format!("/datasets/range/ingest?schema=v:{kind}");
        let headers = [("content-type", "application/x-ndjson")];
        let answer = fixture.call(Method::POST, &path, &headers, lines).await;
        let expected = (400, "invalid_request".to_owned(), "/rows/1/v".to_owned());
        assert_eq!(
            answer.problem(),
            expected,
            "{kind} {value}: {}",
            answer.text
        );
    }
    assert_eq!(
        fixture.get("/admin/datasets/range").await.status,
        404,
        "nothing is left"
    );

    // What fits comes back as it was sent, in whatever zone it was.
    let zoned = TimestampSecondArray::from(vec![-20_000_000_000]).with_timezone("+05:30");
    fixture
        .call(
            Method::POST,
            "/datasets/zoned/ingest",
            &arrow,
            arrow_stream(Arc::new(zoned)),
        )
        .await;
    assert_eq!(
        fixture.value("SELECT v FROM zoned").await,
        json!("1336-03-23T12:26:40.000Z")
    );
    let nanos = TimestampNanosecondArray::from(vec![-1_000, 1_772_323_200_000_001_000]);
    fixture
        .call(
            Method::POST,
            "/datasets/nanos/ingest",
            &arrow,
            arrow_stream(Arc::new(nanos)),
        )
        .await;
    assert_eq!(
        fixture.sql("SELECT v FROM nanos").await,
        [
            json!({"v": "1969-12-31T23:59:59.999999Z"}),
            json!({"v": "2026-03-01T00:00:00.000001Z"})
        ]
    );
    let doubles = Float64Array::from(vec![0.1, f64::MAX, 9_007_199_254_740_992.0]);
    fixture
        .call(
            Method::POST,
            "/datasets/doubles/ingest",
            &arrow,
            arrow_stream(Arc::new(doubles)),
        )
        .await;
    let read = fixture.sql("SELECT v FROM doubles").await;
    assert_eq!(
        read,
        [
            json!({"v": 0.1}),
            json!({"v": f64::MAX}),
            json!({"v": 9_007_199_254_740_992.0})
        ]
    );
}
