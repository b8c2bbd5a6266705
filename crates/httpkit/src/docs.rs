//! The API reference as one page, rendered on the server from the OpenAPI document.
//!
//! It holds everything it needs: no script, no font, no address but its own. maud escapes all text
//! of the document; of Markdown only paragraphs and `code` are rendered.

mod schema;
mod text;

use std::collections::BTreeMap;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;

use crate::Code;
use schema::{Schemas, fields, part, text_at};
use text::{anchor, prose};

/// Stands for the address under which a reader called up the page.
pub(crate) const ORIGIN_PLACEHOLDER: &str = "@@ORIGIN@@";

const METHODS: &[&str] = &["get", "post", "put", "patch", "delete", "head", "options"];
const STYLE: &str = include_str!("docs/style.css");
/// Where the routes of every service stand: after its own.
const LAST_TAG: &str = "operations";

/// One operation and where it stands.
struct Operation<'a> {
    method: &'a str,
    path: &'a str,
    value: &'a Value,
}

/// The page for `document`.
pub(crate) fn render(document: &Value) -> String {
    let title = text_at(document, "/info/title");
    let schemas = Schemas::of(document);
    let tags = by_tag(document);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) ": API reference" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#main" { "To the operations" }
                (header(title, text_at(document, "/info/version")))
                nav aria-label="Contents" {
                    @for (tag, operations) in &tags {
                        (navigation(tag, operations))
                    }
                    h2 { "More" }
                    ul {
                        li { a href="#schemas" { "Schemas" } }
                        li { a href="#errors" { "Errors" } }
                    }
                }
                main id="main" {
                    @for (tag, operations) in &tags {
                        (section(tag, operations, &schemas))
                    }
                    section aria-labelledby="schemas" {
                        h2 id="schemas" { "Schemas" }
                        (schemas.sections())
                    }
                    (errors())
                }
            }
        }
    };
    page.into_string()
}

fn header(title: &str, version: &str) -> Markup {
    html! {
        header {
            h1 { (title) }
            p {
                "Version " (version) ". The same for machines: "
                a href="/openapi.json" { "/openapi.json" }
                ". An error is always " code { "application/problem+json" } " with one of "
                a href="#errors" { "these codes" }
                ". Where a scope is named, a service with a tokens file wants "
                code { "Authorization: Bearer …" } "."
            }
        }
    }
}

/// The operations by tag, in the order of the paths; those of every service last.
fn by_tag(document: &Value) -> Vec<(&str, Vec<Operation<'_>>)> {
    let mut tags: BTreeMap<(bool, &str), Vec<Operation<'_>>> = BTreeMap::new();
    let paths = document.get("paths").and_then(Value::as_object);
    for (path, item) in paths.into_iter().flatten() {
        for &method in METHODS {
            let Some(value) = item.get(method) else {
                continue;
            };
            let tag = value
                .pointer("/tags/0")
                .and_then(Value::as_str)
                .unwrap_or("api");
            let operation = Operation {
                method,
                path,
                value,
            };
            tags.entry((tag == LAST_TAG, tag))
                .or_default()
                .push(operation);
        }
    }
    tags.into_iter()
        .map(|((_, tag), operations)| (tag, operations))
        .collect()
}

fn navigation(tag: &str, operations: &[Operation<'_>]) -> Markup {
    html! {
        h2 { (tag) }
        ul {
            @for operation in operations {
                li { a href={ "#" (operation.anchor()) } { (operation.name()) } }
            }
        }
    }
}

fn section(tag: &str, operations: &[Operation<'_>], schemas: &Schemas<'_>) -> Markup {
    let id = anchor("tag", tag);
    html! {
        section aria-labelledby=(id) {
            h2 id=(id) { (tag) }
            @for operation in operations {
                (operation.article(schemas))
            }
        }
    }
}

impl Operation<'_> {
    fn anchor(&self) -> String {
        anchor(self.method, self.path)
    }

    fn name(&self) -> Markup {
        html! { b class=(self.method) { (self.method.to_uppercase()) } " " code { (self.path) } }
    }

    fn article(&self, schemas: &Schemas<'_>) -> Markup {
        let id = self.anchor();
        html! {
            article aria-labelledby=(id) {
                h3 id=(id) { (self.name()) }
                (prose(text_at(self.value, "/summary")))
                (prose(text_at(self.value, "/description")))
                (self.scope())
                (self.parameters(schemas))
                (self.body(schemas))
                (self.responses(schemas))
                (self.example(schemas))
            }
        }
    }

    /// The scopes, or that none is needed.
    fn scope(&self) -> Markup {
        let requirements = self.value.get("security").and_then(Value::as_array);
        let scopes: Vec<&str> = requirements
            .into_iter()
            .flatten()
            .filter_map(|it| it.pointer("/bearer")?.as_array()?.last()?.as_str())
            .collect();
        html! {
            p.scope {
                @match scopes.split_first() {
                    Some((first, more)) => {
                        "Scope " code { (first) }
                        @for scope in more { "; for some calls also " code { (scope) } }
                    },
                    None => { "No scope needed" },
                }
            }
        }
    }

    fn parameters(&self, schemas: &Schemas<'_>) -> Markup {
        let parameters = self.value.get("parameters").and_then(Value::as_array);
        let rows = parameters.into_iter().flatten().map(|parameter| {
            let is_required = parameter.get("required").and_then(Value::as_bool) == Some(true);
            let required = if is_required { "required" } else { "optional" };
            html! {
                tr {
                    th scope="row" { code { (text_at(parameter, "/name")) } }
                    td { (text_at(parameter, "/in")) ", " (required) }
                    td { (schemas.kind(part(parameter, "schema"))) }
                    td { (prose(text_at(parameter, "/description"))) }
                }
            }
        });
        table("Parameters", &["Name", "Where", "Type", "Meaning"], rows)
    }

    fn body(&self, schemas: &Schemas<'_>) -> Markup {
        let content = self.value.pointer("/requestBody/content");
        let rows = fields(content).map(|(media_type, content)| {
            html! {
                tr {
                    th scope="row" { code { (media_type) } }
                    td { (schemas.kind(part(content, "schema"))) }
                }
            }
        });
        html! {
            (table("Body", &["Content type", "Schema"], rows))
            (prose(text_at(self.value, "/requestBody/description")))
        }
    }

    fn responses(&self, schemas: &Schemas<'_>) -> Markup {
        let rows = fields(self.value.get("responses")).map(|(status, response)| {
            html! {
                tr {
                    th scope="row" { (status) }
                    td { (prose(text_at(response, "/description"))) }
                    td {
                        @for (at, (media_type, content)) in fields(response.get("content")).enumerate() {
                            @if at > 0 { br; }
                            code { (media_type) } " " (schemas.kind(part(content, "schema")))
                        }
                    }
                }
            }
        });
        table("Answers", &["Status", "Meaning", "Content"], rows)
    }

    /// A call to copy, with the parameters that cannot be left out.
    fn example(&self, schemas: &Schemas<'_>) -> Markup {
        let mut call = String::from("curl");
        if self.method != "get" {
            call.push_str(&format!(" -X {}", self.method.to_uppercase()));
        }
        let json = self.value.pointer("/requestBody/content/application~1json");
        if let Some(content) = json {
            let sample = content
                .get("example")
                .cloned()
                .unwrap_or_else(|| schemas.sample(content.get("schema").unwrap_or(&Value::Null)));
            // Within single quotes a shell takes everything but a single quote as it is.
            let sample = sample.to_string().replace('\'', r"'\''");
            call.push_str(&format!(
                " -H 'content-type: application/json' \\\n  -d '{sample}' \\\n "
            ));
        }
        let parameters = self.value.get("parameters").and_then(Value::as_array);
        let query: Vec<String> = parameters
            .into_iter()
            .flatten()
            .filter(|it| text_at(it, "/in") == "query" && it.get("required") == Some(&true.into()))
            .map(|it| format!("{0}={{{0}}}", text_at(it, "/name")))
            .collect();
        let query = if query.is_empty() {
            String::new()
        } else {
            format!("?{}", query.join("&"))
        };
        html! {
            pre tabindex="0" {
                code { (call) " '" (ORIGIN_PLACEHOLDER) (self.path) (query) "'" }
            }
        }
    }
}

/// A table, unless it has no rows.
fn table(caption: &str, heads: &[&str], rows: impl Iterator<Item = Markup>) -> Markup {
    let mut rows = rows.peekable();
    html! {
        @if rows.peek().is_some() {
            table {
                caption { (caption) }
                thead { tr { @for head in heads { th scope="col" { (head) } } } }
                tbody { @for row in rows { (row) } }
            }
        }
    }
}

/// The pages that the `type` of a problem points to.
fn errors() -> Markup {
    html! {
        section aria-labelledby="errors" {
            h2 id="errors" { "Errors" }
            dl {
                @for known in Code::ALL {
                    dt id=(anchor("error", known.as_str())) { code { (known.as_str()) } }
                    dd { (known.title()) ". " (known.way_out()) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> Value {
        serde_json::json!({
            "info": {"title": "<Books & more>", "version": "1"},
            "paths": {
                "/healthz": {"get": {"tags": ["operations"], "responses": {}}},
                "/books/{id}": {
                    "get": {
                        "tags": ["zoo"],
                        "summary": "One <book> with `a<b`",
                        "security": [{"bearer": ["books:read"]}],
                        "parameters": [
                            {"name": "id", "in": "path", "required": true, "schema": {"type": "integer"}},
                            {"name": "as", "in": "query", "required": true, "schema": {"type": "string"}}
                        ],
                        "responses": {"200": {
                            "description": "it\n\nand more",
                            "content": {"application/json":
                                {"schema": {"$ref": "#/components/schemas/Book"}}}
                        }}
                    },
                    "put": {
                        "tags": ["zoo"],
                        "requestBody": {"content": {"application/json":
                            {"schema": {"$ref": "#/components/schemas/Book"}}}},
                        "responses": {}
                    }
                }
            },
            "components": {"schemas": {"Book": {
                "type": "object",
                "required": ["title"],
                "properties": {
                    "title": {"type": "string", "example": "it's"},
                    "sequel": {"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/Book"}]}
                }
            }}}
        })
    }

    #[test]
    fn the_page_escapes_what_the_document_says() {
        let page = render(&document());
        assert!(page.contains("<h1>&lt;Books &amp; more&gt;</h1>"));
        assert!(page.contains("<p>One &lt;book&gt; with <code>a&lt;b</code></p>"));
        assert!(page.contains("<p>it</p><p>and more</p>"));
    }

    #[test]
    fn an_operation_has_its_scope_types_and_a_call_to_copy() {
        let page = render(&document());
        assert!(page.contains("Scope <code>books:read</code>"));
        assert!(page.contains("<a href=\"#schema-Book\">Book</a>"));
        assert!(
            page.contains("curl '@@ORIGIN@@/books/{id}?as={as}'"),
            "{page}"
        );
        let sample = r"-d '{&quot;title&quot;:&quot;it'\''s&quot;}'";
        assert!(page.contains(sample), "{page}");
    }

    #[test]
    fn the_routes_of_every_service_stand_last_and_every_link_has_a_target() {
        let page = render(&document());
        let at = |text: &str| page.find(text).unwrap();
        assert!(at("id=\"tag-zoo\"") < at("id=\"tag-operations\""));
        for link in page.split("href=\"#").skip(1) {
            let target = link.split('"').next().unwrap();
            assert_eq!(
                page.matches(&format!("id=\"{target}\"")).count(),
                1,
                "{target}"
            );
        }
    }
}
