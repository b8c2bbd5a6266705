//! The metrics of the edge: names, units and help texts.
//!
//! Labels are bounded: `route` is the matched path template and never the path, `method` one of
//! the known methods.

use metrics::Unit;

/// Requests answered; labels `service`, `method`, `route`, `status`.
pub const REQUESTS_TOTAL: &str = "http_requests_total";

/// Time from the request's head to the answer's head; labels as [`REQUESTS_TOTAL`].
pub const REQUEST_DURATION_SECONDS: &str = "http_request_duration_seconds";

/// Requests being answered at this moment; label `service`.
pub const REQUESTS_IN_FLIGHT: &str = "http_requests_in_flight";

/// Buckets for [`REQUEST_DURATION_SECONDS`], for the exporter's `set_buckets_for_metric`.
pub const REQUEST_DURATION_BUCKETS_SECONDS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

/// Gives the recorder the units and help texts.
pub(crate) fn describe() {
    metrics::describe_counter!(REQUESTS_TOTAL, Unit::Count, "Requests answered.");
    metrics::describe_histogram!(
        REQUEST_DURATION_SECONDS,
        Unit::Seconds,
        "Time from the head of a request to the head of its answer."
    );
    metrics::describe_gauge!(
        REQUESTS_IN_FLIGHT,
        Unit::Count,
        "Requests being answered at this moment."
    );
}
