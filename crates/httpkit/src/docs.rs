//! The API reference as one page, rendered on the server from the OpenAPI document.
//!
//! It holds everything it needs: no script, no font, no address but its own. All text of the
//! document is escaped; of Markdown only paragraphs and `code` are rendered.

mod schema;
mod text;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::codes;
use schema::{Schemas, text_at};
use text::{anchor, escape, prose};

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
    let title = escape(text_at(document, "/info/title"));
    let version = escape(text_at(document, "/info/version"));
    let schemas = Schemas::of(document);
    let tags = by_tag(document);
    let navigation: String = tags
        .iter()
        .map(|(tag, of_tag)| navigation(tag, of_tag))
        .collect();
    let operations: String = tags
        .iter()
        .map(|(tag, of_tag)| section(tag, of_tag, &schemas))
        .collect();
    let schemas = schemas.sections();
    let errors = errors();
    format!(
        r##"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}: API reference</title>
<style>
{STYLE}</style>
</head>
<body>
<a class="skip" href="#main">To the operations</a>
<header>
<h1>{title}</h1>
<p>Version {version}. The same for machines: <a href="/openapi.json">/openapi.json</a>.
An error is always <code>application/problem+json</code> with one of <a href="#errors">these codes</a>.
Where a scope is named, a service with a tokens file wants <code>Authorization: Bearer …</code>.</p>
</header>
<nav aria-label="Contents">
{navigation}<h2>More</h2>
<ul><li><a href="#schemas">Schemas</a></li><li><a href="#errors">Errors</a></li></ul>
</nav>
<main id="main">
{operations}<section aria-labelledby="schemas">
<h2 id="schemas">Schemas</h2>
{schemas}</section>
{errors}</main>
</body>
</html>
"##
    )
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

fn navigation(tag: &str, operations: &[Operation<'_>]) -> String {
    let entries: String = operations
        .iter()
        .map(|it| format!("<li><a href=\"#{}\">{}</a></li>\n", it.anchor(), it.name()))
        .collect();
    format!("<h2>{}</h2>\n<ul>\n{entries}</ul>\n", escape(tag))
}

fn section(tag: &str, operations: &[Operation<'_>], schemas: &Schemas<'_>) -> String {
    let id = anchor("tag", tag);
    let operations: String = operations.iter().map(|it| it.article(schemas)).collect();
    let tag = escape(tag);
    format!(
        "<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{tag}</h2>\n{operations}</section>\n"
    )
}

impl Operation<'_> {
    fn anchor(&self) -> String {
        anchor(self.method, self.path)
    }

    fn name(&self) -> String {
        let method = self.method.to_uppercase();
        let path = escape(self.path);
        format!(
            "<b class=\"{}\">{method}</b> <code>{path}</code>",
            self.method
        )
    }

    fn article(&self, schemas: &Schemas<'_>) -> String {
        let id = self.anchor();
        let name = self.name();
        let summary = prose(text_at(self.value, "/summary"));
        let description = prose(text_at(self.value, "/description"));
        let scope = self.scope();
        let parameters = self.parameters(schemas);
        let body = self.body(schemas);
        let responses = self.responses(schemas);
        let example = self.example(schemas);
        format!(
            "<article aria-labelledby=\"{id}\">\n<h3 id=\"{id}\">{name}</h3>\n\
             {summary}{description}{scope}{parameters}{body}{responses}{example}</article>\n"
        )
    }

    /// The scope, or that none is needed.
    fn scope(&self) -> String {
        let scopes = self
            .value
            .pointer("/security/0/bearer/0")
            .and_then(Value::as_str);
        match scopes {
            Some(scope) => format!(
                "<p class=\"scope\">Scope <code>{}</code></p>\n",
                escape(scope)
            ),
            None => "<p class=\"scope\">No scope needed</p>\n".to_owned(),
        }
    }

    fn parameters(&self, schemas: &Schemas<'_>) -> String {
        let parameters = self.value.get("parameters").and_then(Value::as_array);
        let rows: String = parameters
            .into_iter()
            .flatten()
            .map(|parameter| {
                let name = escape(text_at(parameter, "/name"));
                let place = escape(text_at(parameter, "/in"));
                let is_required = parameter.get("required").and_then(Value::as_bool) == Some(true);
                let required = if is_required { "required" } else { "optional" };
                let kind = schemas.kind(parameter.get("schema").unwrap_or(&Value::Null));
                let description = prose(text_at(parameter, "/description"));
                format!(
                    "<tr><th scope=\"row\"><code>{name}</code></th><td>{place}, {required}</td>\
                     <td>{kind}</td><td>{description}</td></tr>\n"
                )
            })
            .collect();
        if rows.is_empty() {
            return rows;
        }
        table("Parameters", &["Name", "Where", "Type", "Meaning"], &rows)
    }

    fn body(&self, schemas: &Schemas<'_>) -> String {
        let content = self
            .value
            .pointer("/requestBody/content")
            .and_then(Value::as_object);
        let rows: String = content
            .into_iter()
            .flatten()
            .map(|(media_type, content)| {
                let kind = schemas.kind(content.get("schema").unwrap_or(&Value::Null));
                let media_type = escape(media_type);
                format!(
                    "<tr><th scope=\"row\"><code>{media_type}</code></th><td>{kind}</td></tr>\n"
                )
            })
            .collect();
        if rows.is_empty() {
            return rows;
        }
        let description = prose(text_at(self.value, "/requestBody/description"));
        table("Body", &["Content type", "Schema"], &rows) + &description
    }

    fn responses(&self, schemas: &Schemas<'_>) -> String {
        let responses = self.value.get("responses").and_then(Value::as_object);
        let rows: String = responses
            .into_iter()
            .flatten()
            .map(|(status, response)| {
                let content = response.get("content").and_then(Value::as_object);
                let contents: Vec<String> = content
                    .into_iter()
                    .flatten()
                    .map(|(media_type, content)| {
                        let kind = schemas.kind(content.get("schema").unwrap_or(&Value::Null));
                        format!("<code>{}</code> {kind}", escape(media_type))
                    })
                    .collect();
                format!(
                    "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td></tr>\n",
                    escape(status),
                    prose(text_at(response, "/description")),
                    contents.join("<br>")
                )
            })
            .collect();
        table("Answers", &["Status", "Meaning", "Content"], &rows)
    }

    /// A call to copy, with the parameters that cannot be left out.
    fn example(&self, schemas: &Schemas<'_>) -> String {
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
        let call = escape(&format!(
            "{call} '{ORIGIN_PLACEHOLDER}{}{query}'",
            self.path
        ));
        format!("<pre tabindex=\"0\"><code>{call}</code></pre>\n")
    }
}

fn table(caption: &str, heads: &[&str], rows: &str) -> String {
    let heads: String = heads
        .iter()
        .map(|head| format!("<th scope=\"col\">{head}</th>"))
        .collect();
    format!(
        "<table>\n<caption>{caption}</caption>\n<thead><tr>{heads}</tr></thead>\n\
         <tbody>\n{rows}</tbody>\n</table>\n"
    )
}

/// The pages that the `type` of a problem points to.
fn errors() -> String {
    let entries: String = codes::ALL
        .iter()
        .map(|known| {
            let id = anchor("error", known.code);
            format!(
                "<dt id=\"{id}\"><code>{}</code></dt>\n<dd>{}. {}</dd>\n",
                escape(known.code),
                escape(known.title),
                escape(known.way_out)
            )
        })
        .collect();
    format!(
        "<section aria-labelledby=\"errors\">\n<h2 id=\"errors\">Errors</h2>\n<dl>\n{entries}</dl>\n</section>\n"
    )
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
        assert!(page.contains("<p>it</p>\n<p>and more</p>"));
    }

    #[test]
    fn an_operation_has_its_scope_types_and_a_call_to_copy() {
        let page = render(&document());
        assert!(page.contains("Scope <code>books:read</code>"));
        assert!(page.contains("<a href=\"#schema-Book\">Book</a>"));
        assert!(
            page.contains("curl &#39;@@ORIGIN@@/books/{id}?as={as}&#39;"),
            "{page}"
        );
        let sample = escape(r#"-d '{"title":"it'\''s"}'"#);
        assert!(page.contains(&sample), "{page}");
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
