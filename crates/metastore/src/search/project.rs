//! Parts of what was found.

use serde_json::{Map, Value};

/// The parts of a shown record that `fields` name; namespace and key always.
pub(crate) fn project(record: &Value, fields: &[String]) -> Value {
    let mut projected = Map::new();
    for name in ["namespace", "key"]
        .into_iter()
        .chain(fields.iter().map(String::as_str))
    {
        let names: Vec<&str> = name.split('.').collect();
        copy(record, &names, &mut projected);
    }
    Value::Object(projected)
}

fn copy(from: &Value, names: &[&str], to: &mut Map<String, Value>) {
    let Some((name, rest)) = names.split_first() else {
        return;
    };
    let Some(value) = from.get(name) else {
        return;
    };
    if rest.is_empty() {
        to.insert((*name).to_owned(), value.clone());
        return;
    }
    let inner = to.entry(*name).or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(inner) = inner {
        copy(value, rest, inner);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_projection_copies_the_named_parts() {
        let record = json!({
            "namespace": "n", "key": "k", "owner": null, "tags": ["a"],
            "metadata": {"a": {"b": 1, "c": 2}, "filestore": {"path": "p", "kind": "file"}},
        });
        let fields = [
            "owner",
            "metadata.a.b",
            "metadata.filestore.path",
            "nothing.here",
        ];
        assert_eq!(
            project(&record, &fields.map(str::to_owned)),
            json!({"namespace": "n", "key": "k", "owner": null,
                   "metadata": {"a": {"b": 1}, "filestore": {"path": "p"}}})
        );
    }
}
