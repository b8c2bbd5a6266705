//! The API reference as one page.

use serde_json::Value;

pub(crate) fn render(document: &Value) -> String {
    let _ = document;
    String::new()
}
