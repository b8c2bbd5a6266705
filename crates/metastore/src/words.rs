//! The words of the API's document, where the types behind them belong to other crates.

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};

httpkit::words! {
    /// What a node is.
    NodeKind: "file" | "directory";
    /// What a write to a record was; `move` and `merge` are the sync's.
    AuditAction: "create" | "update" | "delete" | "restore" | "move" | "merge";
}

/// A record, or the fields of it that a projection asks for: only its name is always there.
#[derive(Debug)]
pub(crate) enum Found {}

impl PartialSchema for Found {
    fn schema() -> RefOr<Schema> {
        let mut schema = crate::Record::schema();
        if let RefOr::T(Schema::Object(object)) = &mut schema {
            object
                .required
                .retain(|name| name == "namespace" || name == "key");
            object.description = Some(
                "A record; with a projection only namespace, key and the fields that were asked \
                 for, as a record has them."
                    .to_owned(),
            );
        }
        schema
    }
}

impl ToSchema for Found {}

/// A string or a number.
#[derive(Debug)]
pub(crate) enum TextOrNumber {}

impl PartialSchema for TextOrNumber {
    fn schema() -> RefOr<Schema> {
        let types = SchemaType::Array(vec![Type::String, Type::Number]);
        let schema = ObjectBuilder::new()
            .schema_type(types)
            .description(Some("A string or a number."));
        RefOr::T(Schema::Object(schema.build()))
    }
}

impl ToSchema for TextOrNumber {}
