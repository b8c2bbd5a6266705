//! Deletions, `DeleteObjects`, which reaches every key that XML can spell.

use super::Bucket;
use super::error::Refusal;
use base64::Engine;
use bytes::Bytes;
use http::Method;
use md5::Digest;
use serde::Deserialize;

/// Keys in one request.
pub(super) const KEYS: usize = 1_000;

#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(default, rename = "Error")]
    errors: Vec<KeyError>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KeyError {
    #[serde(default)]
    key: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

impl Bucket {
    /// Deletes objects, at most [`KEYS`]. Those that are not there count as deleted.
    pub(super) async fn delete_keys(&self, keys: &[String]) -> Result<(), Refusal> {
        if keys.is_empty() {
            return Ok(());
        }
        let body = Bytes::from(body(keys));
        let md5 = base64::engine::general_purpose::STANDARD.encode(md5::Md5::digest(&body));
        let headers = [
            ("content-md5", md5),
            ("content-type", "application/xml".to_owned()),
        ];
        let answer = self
            .request(&Method::POST, "/?delete", &headers, body)
            .await?;
        let text = std::str::from_utf8(&answer).map_err(Refusal::unavailable)?;
        if !text.contains("<DeleteResult") {
            return Err(Refusal::unavailable("the answer to a deletion is none"));
        }
        let answer: Answer = quick_xml::de::from_str(text).map_err(Refusal::unavailable)?;
        let failed = answer.errors.into_iter().find(|e| e.code != "NoSuchKey");
        match failed {
            None => Ok(()),
            Some(KeyError { key, code, message }) => {
                let reason = format!("{key:?}: {code}: {message}");
                Err(match &*code {
                    "AccessDenied" => Refusal::Forbidden(reason.into()),
                    _ => Refusal::unavailable(reason),
                })
            }
        }
    }
}

fn body(keys: &[String]) -> String {
    let mut body = String::from("<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for key in keys {
        body.push_str("<Object><Key>");
        for character in key.chars() {
            match character {
                '&' => body.push_str("&amp;"),
                '<' => body.push_str("&lt;"),
                '>' => body.push_str("&gt;"),
                '\t' | '\n' | '\r' => {
                    body.push_str("&#");
                    body.push_str(&u32::from(character).to_string());
                    body.push(';');
                }
                _ => body.push(character),
            }
        }
        body.push_str("</Key></Object>");
    }
    body.push_str("<Quiet>true</Quiet></Delete>");
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_spelled_in_xml() {
        let body = body(&["a//b".to_owned(), "<&>\n".to_owned()]);
        assert!(body.contains("<Key>a//b</Key>"), "{body}");
        assert!(body.contains("<Key>&lt;&amp;&gt;&#10;</Key>"), "{body}");
    }
}
