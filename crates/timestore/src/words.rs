//! Words and shapes of the API's document that the derives cannot make.

use serde_json::json;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{Array, ArrayBuilder, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};

httpkit::words! {
    /// The form of an answer.
    FormatWord: "json" | "ndjson" | "csv" | "arrow";
    /// How rows are shown.
    QueryMode: "raw" | "downsampled";
}

/// A value that a field or a placeholder may have.
#[derive(Debug)]
pub(crate) enum Scalar {}

impl PartialSchema for Scalar {
    fn schema() -> RefOr<Schema> {
        scalar().into()
    }
}

impl ToSchema for Scalar {}

fn scalar() -> ObjectBuilder {
    let kinds = [Type::String, Type::Number, Type::Boolean, Type::Null];
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter(kinds))
        .description(Some("Text, a number, true, false or null."))
}

/// Values for placeholders: a list, or an object of names and values.
pub(crate) fn parameters() -> Array {
    let kinds = [Type::Array, Type::Object, Type::Null];
    ArrayBuilder::new()
        .schema_type(SchemaType::from_iter(kinds))
        .description(Some(
            "Values for its placeholders: a list for `?` and `$1`, an object for `$name`.",
        ))
        .items(scalar())
        .examples([json!([1]), json!({"name": "ada"})])
        .build()
}
