//! Words in a document: a text that is one of a few.

/// Makes a type that stands in a document for a text that is one of `words`. It has no values: a
/// field of another type names it with `#[schema(value_type = …)]`.
#[macro_export]
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident: $($word:literal)|+;)+) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub(crate) enum $name {}

        impl ::utoipa::PartialSchema for $name {
            fn schema() -> ::utoipa::openapi::RefOr<::utoipa::openapi::schema::Schema> {
                ::utoipa::openapi::schema::ObjectBuilder::new()
                    .schema_type(::utoipa::openapi::schema::Type::String)
                    .enum_values(Some([$($word),+]))
                    .into()
            }
        }

        impl ::utoipa::ToSchema for $name {
            fn name() -> ::std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
        }
    )+};
}
