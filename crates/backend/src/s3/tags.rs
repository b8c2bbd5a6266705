//! The tags of objects, `GetObjectTagging`. No listing tells them, so each object is asked.

use super::error::Refusal;
use super::{Bucket, list};
use crate::walk::Entry;
use crate::{Error, Operation};
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::Method;
use node::{LongFact, LongText, join};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Requests of one directory that are under way at once.
const AT_ONCE: usize = 16;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    tag_set: TagSet,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TagSet {
    #[serde(default)]
    tag: Vec<Tag>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tag {
    key: String,
    #[serde(default)]
    value: String,
}

impl Bucket {
    /// The tags of the object at the path; `None` where there is none.
    ///
    /// # Errors
    /// The bucket refuses it.
    pub(super) fn tags_at(&self, path: &str) -> Result<Option<LongText>, Error> {
        match self.wait(self.tags(path)) {
            Ok(tags) => Ok(Some(tags)),
            Err(Refusal::NotFound) => Ok(None),
            Err(refusal) => Err(self.failed(Operation::LookAt, path)(refusal)),
        }
    }

    /// Asks each object of a listing for its tags. Where they cannot be read, nobody has asked.
    pub(super) fn ask_tags(&self, directory: &str, entries: &mut [Entry]) {
        let is_object = |entry: &Entry| entry.facts.is_ok_and(|facts| !facts.is_directory());
        let objects = entries.iter_mut().filter(|entry| is_object(entry));
        let asked = stream::iter(objects).map(async |entry| {
            let tags = self.tags(&join(directory, &entry.name)).await;
            (entry, tags)
        });
        let asked = asked.buffer_unordered(AT_ONCE);
        let (refused, last) =
            self.wait(asked.fold((0_u64, None), async |(refused, last), asked| {
                let (entry, tags) = asked;
                match (tags, &mut entry.facts) {
                    (Ok(tags), Ok(facts)) => {
                        facts.set_long(LongFact::ObjectTags, Some(tags.number));
                        entry.keep(tags);
                        (refused, last)
                    }
                    // It is gone.
                    (Ok(_) | Err(Refusal::NotFound), _) => (refused, last),
                    (Err(refusal), _) => (refused + 1, Some(refusal)),
                }
            }));
        if let Some(refusal) = last {
            let error = self.failed(Operation::LookAt, directory)(refusal);
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, refused, "tags of objects cannot be read");
        }
    }

    async fn tags(&self, path: &str) -> Result<LongText, Refusal> {
        let key = super::key::of_path(&self.settings.prefix, path).map_err(Refusal::Key)?;
        let target = format!("/{}?tagging=", list::escaped(&key, true));
        let answer = self
            .request(&Method::GET, &target, &[], Bytes::new())
            .await?;
        parse(&answer).map_err(Refusal::unavailable)
    }
}

/// A JSON object of the tags, in the order of their keys.
fn parse(answer: &[u8]) -> Result<LongText, TagsError> {
    let text = std::str::from_utf8(answer).map_err(|_| TagsError::Encoding)?;
    let answer: Answer = quick_xml::de::from_str(text)?;
    let tags = answer.tag_set.tag.into_iter();
    let tags: BTreeMap<String, String> = tags.map(|tag| (tag.key, tag.value)).collect();
    Ok(match tags.is_empty() {
        true => LongText::default(),
        false => LongText::of(serde_json::to_string(&tags)?),
    })
}

#[derive(Debug, thiserror::Error)]
enum TagsError {
    #[error("the tags are no XML as expected: {0}")]
    Xml(#[from] quick_xml::DeError),
    #[error("the tags are not UTF-8")]
    Encoding,
    #[error("the tags are no JSON: {0}")]
    Json(#[from] serde_json::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_an_object_in_the_order_of_their_keys() {
        let answer = |tags: &str| {
            let xml = format!(
                r#"<?xml version="1.0"?><Tagging xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
                <TagSet>{tags}</TagSet></Tagging>"#
            );
            parse(xml.as_bytes()).map(|tags| tags.text)
        };
        let tag = |key, value| format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>");
        let two = [tag("project", "a &amp; b"), tag("class", "")].concat();
        assert_eq!(answer(&two).unwrap(), r#"{"class":"","project":"a & b"}"#);
        assert_eq!(answer("").unwrap(), "");
        assert!(parse(b"<Error><Code>SlowDown</Code></Error>").is_err());
        assert!(parse(b"\xff").is_err());
    }
}
