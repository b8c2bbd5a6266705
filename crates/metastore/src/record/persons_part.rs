//! What a person wrote, and how it changes. Pure.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A JSON object.
pub(crate) type Metadata = serde_json::Map<String, Value>;

/// A person's part of a record.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct PersonsPart {
    pub(crate) metadata: Metadata,
    /// Sorted, each once.
    pub(crate) tags: Vec<String>,
    pub(crate) owner: Option<String>,
    pub(crate) schema_hash: Option<String>,
}

/// A change of tags: first `set`, then `add`, then `remove`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(default)]
pub(crate) struct TagsPatch {
    /// The tags to begin with, instead of the present ones.
    pub(crate) set: Option<Vec<String>>,
    /// Tags to add.
    pub(crate) add: Vec<String>,
    /// Tags to remove.
    pub(crate) remove: Vec<String>,
}

impl PersonsPart {
    /// Takes from `other` what is not said here: tags, fields, owner, schema.
    pub(crate) fn fill_from(&mut self, other: &Self) {
        self.tags = tidy(self.tags.iter().chain(&other.tags));
        let mut metadata = other.metadata.clone();
        merge(&mut metadata, std::mem::take(&mut self.metadata));
        self.metadata = metadata;
        self.owner = self.owner.take().or_else(|| other.owner.clone());
        self.schema_hash = self
            .schema_hash
            .take()
            .or_else(|| other.schema_hash.clone());
    }

    /// Applies a change of tags.
    pub(crate) fn patch_tags(&mut self, patch: &TagsPatch) {
        let removed = tidy(&patch.remove);
        let mut tags = tidy(
            patch
                .set
                .as_ref()
                .unwrap_or(&self.tags)
                .iter()
                .chain(&patch.add),
        );
        tags.retain(|tag| !removed.contains(tag));
        self.tags = tags;
    }
}

/// Tags trimmed, sorted, each once.
pub(crate) fn tidy<'a>(tags: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    let mut tags: Vec<String> = tags.into_iter().map(|tag| tag.trim().to_owned()).collect();
    tags.sort_unstable();
    tags.dedup();
    tags
}

/// Merges `patch` into `base`: objects field by field, anything else replaces what was there.
pub(crate) fn merge(base: &mut Metadata, patch: Metadata) {
    for (name, value) in patch {
        match (base.get_mut(&name), value) {
            (Some(Value::Object(inner)), Value::Object(patch)) => merge(inner, patch),
            (_, value) => {
                base.insert(name, value);
            }
        }
    }
}

/// Merges `patch` into `base` as RFC 7396 says: as [`merge`], but null removes the field.
pub(crate) fn merge_patch(base: &mut Metadata, patch: Metadata) {
    for (name, value) in patch {
        match value {
            Value::Null => {
                base.remove(&name);
            }
            Value::Object(patch) => match base.get_mut(&name) {
                Some(Value::Object(inner)) => merge_patch(inner, patch),
                _ => {
                    let mut inner = Metadata::new();
                    merge_patch(&mut inner, patch);
                    base.insert(name, Value::Object(inner));
                }
            },
            value => {
                base.insert(name, value);
            }
        }
    }
}

/// Removes the field at a dotted path, and the objects around it that are then empty.
pub(crate) fn unset(base: &mut Metadata, path: &str) {
    match path.split_once('.') {
        None => {
            base.remove(path);
        }
        Some((name, rest)) => {
            if let Some(Value::Object(inner)) = base.get_mut(name) {
                let was_empty = inner.is_empty();
                unset(inner, rest);
                if inner.is_empty() && !was_empty {
                    base.remove(name);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> Metadata {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_patch_merges_objects_and_replaces_the_rest() {
        let mut base = object(json!({"a": {"b": 1, "c": [1, 2]}, "d": 1}));
        merge(
            &mut base,
            object(json!({"a": {"c": [3], "e": null}, "d": {"f": 2}})),
        );
        assert_eq!(
            base,
            object(json!({"a": {"b": 1, "c": [3], "e": null}, "d": {"f": 2}}))
        );
    }

    #[test]
    fn unset_removes_a_path_and_emptied_objects() {
        let mut base = object(json!({"a": {"b": {"c": 1}}, "x": {}, "y": 1}));
        for path in ["a.b.c", "x.none", "y.deeper", "nothing"] {
            unset(&mut base, path);
        }
        assert_eq!(base, object(json!({"x": {}, "y": 1})));
    }

    #[test]
    fn tags_are_set_added_and_removed_in_this_order() {
        let mut part = PersonsPart {
            tags: vec!["a".to_owned(), "b".to_owned()],
            ..PersonsPart::default()
        };
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        part.patch_tags(&TagsPatch {
            set: None,
            add: words("d c c"),
            remove: words("a"),
        });
        assert_eq!(part.tags, words("b c d"));
        part.patch_tags(&TagsPatch {
            set: Some(words("z y")),
            add: words("x"),
            remove: words("y"),
        });
        assert_eq!(part.tags, words("x z"));
        part.patch_tags(&TagsPatch {
            set: Some(vec![]),
            ..TagsPatch::default()
        });
        assert!(part.tags.is_empty());
    }

    #[test]
    fn filling_keeps_what_is_there_and_takes_what_is_missing() {
        let mut part = PersonsPart {
            metadata: object(json!({"a": {"x": 1}, "b": 1})),
            tags: vec!["t".to_owned()],
            owner: None,
            schema_hash: Some("mine-1".to_owned()),
        };
        part.fill_from(&PersonsPart {
            metadata: object(json!({"a": {"x": 2, "y": 2}, "c": 2})),
            tags: vec!["s".to_owned()],
            owner: Some("other".to_owned()),
            schema_hash: Some("other-1".to_owned()),
        });
        assert_eq!(
            part.metadata,
            object(json!({"a": {"x": 1, "y": 2}, "b": 1, "c": 2}))
        );
        assert_eq!(part.tags, ["s", "t"]);
        assert_eq!(part.owner.as_deref(), Some("other"));
        assert_eq!(part.schema_hash.as_deref(), Some("mine-1"));
    }
}
