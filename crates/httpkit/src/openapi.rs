//! What every OpenAPI document says alike: title, tokens, the shape of errors.

mod finish;
mod words;

use std::collections::HashMap;

use serde_json::Value;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Components, Content, InfoBuilder, OpenApi, PathItem, Ref, RefOr, ResponseBuilder,
};
use utoipa::{PartialSchema, ToSchema};

use crate::authorize::Need;
use crate::{Problem, problem::CONTENT_TYPE_PROBLEM_TEXT};

/// The name of the security scheme, as operations spell it.
const SCHEME: &str = "bearer";

/// Which scope each operation needs: by path template, then by method.
pub(crate) type Needs = HashMap<String, HashMap<&'static str, Need>>;

/// Completes the document that a service's routes made; the document as it is served, and what
/// each operation needs.
pub(crate) fn complete(mut openapi: OpenApi, service: &str, title: &str) -> (Value, Needs) {
    let needs = annotate(&mut openapi, service, title);
    let mut document = serde_json::to_value(&openapi).unwrap_or_default();
    finish::finish(&mut document);
    (document, needs)
}

fn annotate(openapi: &mut OpenApi, service: &str, title: &str) -> Needs {
    openapi.info = InfoBuilder::new()
        .title(title)
        .version(env!("CARGO_PKG_VERSION"))
        .build();
    let components = openapi.components.get_or_insert_with(Components::new);
    let bearer = Http::new(HttpAuthScheme::Bearer);
    let scheme = RefOr::T(SecurityScheme::Http(bearer));
    components
        .security_schemes
        .insert(SCHEME.to_owned(), scheme);
    let mut schemas = vec![(Problem::name().into_owned(), Problem::schema())];
    Problem::schemas(&mut schemas);
    components.schemas.extend(schemas);

    let mut needs = Needs::new();
    for (path, item) in &mut openapi.paths.paths {
        let of_path = needs.entry(path.clone()).or_default();
        for (method, operation) in operations(item) {
            let need = need(operation, service, method);
            if let Need::Scopes(scopes) = &need {
                operation.security = Some(requirements(scopes));
            }
            describe_errors(operation);
            of_path.insert(method, need);
        }
    }
    needs
}

/// The methods of each path, as the header Allow spells them.
pub(crate) fn allowed(needs: &Needs) -> HashMap<String, String> {
    let spell = |of_path: &HashMap<&'static str, Need>| {
        let mut methods: Vec<&str> = of_path.keys().copied().collect();
        if of_path.contains_key("GET") {
            methods.push("HEAD");
        }
        methods.sort_unstable();
        methods.join(", ")
    };
    needs
        .iter()
        .map(|(path, of_path)| (path.clone(), spell(of_path)))
        .collect()
}

/// The operations of one path, with their methods.
fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    [
        ("GET", item.get.as_mut()),
        ("PUT", item.put.as_mut()),
        ("POST", item.post.as_mut()),
        ("PATCH", item.patch.as_mut()),
        ("DELETE", item.delete.as_mut()),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation?)))
}

/// What `operation` says it needs; by its method if it says nothing.
fn need(operation: &Operation, service: &str, method: &str) -> Need {
    let Some(requirements) = &operation.security else {
        return Need::by_method(service, method);
    };
    // The document's types keep the scopes to themselves; its JSON does not.
    let requirements = serde_json::to_value(requirements).unwrap_or_default();
    let mut scopes: Vec<String> = Vec::new();
    let of_requirement = |requirement: &Value| requirement.get(SCHEME)?.as_array().cloned();
    let all = requirements.as_array().into_iter().flatten();
    for scope in all.filter_map(of_requirement).flatten() {
        let scope = scope.as_str().unwrap_or_default();
        let scope = match scope.contains(':') {
            true => scope.to_owned(),
            false => format!("{service}:{scope}"),
        };
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
    match scopes.is_empty() {
        true => Need::Nothing,
        false => Need::Scopes(scopes.into()),
    }
}

/// The first scope alone, or it together with one of the others: those do more.
fn requirements(scopes: &[String]) -> Vec<SecurityRequirement> {
    let first = scopes.first().into_iter();
    let alone = SecurityRequirement::new(SCHEME, first.clone().map(String::as_str));
    let more = scopes.iter().skip(1).map(|other| {
        let both = first.clone().chain([other]);
        SecurityRequirement::new(SCHEME, both.map(String::as_str))
    });
    std::iter::once(alone).chain(more).collect()
}

/// Every operation can fail, and always in the same shape.
fn describe_errors(operation: &mut Operation) {
    let responses = &mut operation.responses.responses;
    responses.entry("default".to_owned()).or_insert_with(|| {
        let schema = RefOr::<utoipa::openapi::Schema>::Ref(Ref::from_schema_name("Problem"));
        let content = Content::new(Some(schema));
        let response = ResponseBuilder::new()
            .description("Any error")
            .content(CONTENT_TYPE_PROBLEM_TEXT, content)
            .build();
        RefOr::T(response)
    });
}
