//! Listings, `ListObjectsV2`, with keys as they are, and requests of our own in general.

use super::error::Refusal;
use super::{Bucket, Object};
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use node::{ObjectOwner, StorageClass};
use object_store::aws::AwsAuthorizer;
use object_store::client::{HttpRequest, HttpRequestBody};
use serde::Deserialize;
use std::fmt::Write;
use std::time::Duration;

/// Attempts of one request.
const ATTEMPTS: u32 = 5;

/// The longest answer that is read.
const ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// One page of a listing.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) objects: Vec<Object>,
    /// What begins with the prefix and goes on past the next slash, with it.
    pub(super) prefixes: Vec<String>,
    /// Where the next page begins, if there is one.
    pub(super) next: Option<String>,
}

impl Page {
    pub(super) fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.prefixes.is_empty()
    }
}

/// What to list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listing<'l> {
    pub(super) prefix: &'l str,
    /// Keys past the next slash are told as prefixes.
    pub(super) is_shallow: bool,
    /// Only keys past this one.
    pub(super) after: Option<&'l str>,
    /// At most so many.
    pub(super) most: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    contents: Vec<Content>,
    #[serde(default)]
    common_prefixes: Vec<CommonPrefix>,
    encoding_type: Option<String>,
    next_continuation_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Content {
    key: String,
    last_modified: String,
    #[serde(rename = "ETag")]
    etag: Option<String>,
    size: u64,
    storage_class: Option<String>,
    owner: Option<ContentOwner>,
}

#[derive(Debug, Deserialize)]
struct ContentOwner {
    #[serde(rename = "ID")]
    id: Option<String>,
    #[serde(rename = "DisplayName")]
    display_name: Option<String>,
}

impl ContentOwner {
    /// Its name, or else its id.
    fn word(&self) -> Option<ObjectOwner> {
        let names = [&self.display_name, &self.id];
        names
            .into_iter()
            .flatten()
            .find_map(|name| ObjectOwner::named(name))
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CommonPrefix {
    prefix: String,
}

impl Bucket {
    /// One page, after `token`.
    pub(super) async fn page(
        &self,
        listing: Listing<'_>,
        token: Option<&str>,
    ) -> Result<Page, Refusal> {
        // In the order of their names, as the signature wants them.
        let mut query = String::new();
        let mut add = |name: &str, value: &str| {
            let and = if query.is_empty() { "" } else { "&" };
            // Writing to a string does not fail.
            let _ = write!(query, "{and}{name}={}", escaped(value, false));
        };
        if let Some(token) = token {
            add("continuation-token", token);
        }
        if listing.is_shallow {
            add("delimiter", "/");
        }
        add("encoding-type", "url");
        add("fetch-owner", "true");
        add("list-type", "2");
        if let Some(most) = listing.most.or(self.settings.page_keys) {
            add("max-keys", &most.to_string());
        }
        add("prefix", listing.prefix);
        if let Some(after) = listing.after {
            add("start-after", after);
        }
        let target = format!("/?{query}");
        let answer = self
            .request(&Method::GET, &target, &[], Bytes::new())
            .await?;
        parse(&answer).map_err(Refusal::unavailable)
    }

    /// Sends a request of our own, again while it fails by what passes. `target` is what follows
    /// the bucket's URL.
    pub(super) async fn request(
        &self,
        method: &Method,
        target: &str,
        headers: &[(&'static str, String)],
        body: Bytes,
    ) -> Result<Bytes, Refusal> {
        let mut attempt = 1;
        loop {
            let refusal = match self.attempt(method, target, headers, body.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(refusal) => refusal,
            };
            if attempt >= ATTEMPTS || !matches!(refusal, Refusal::Unavailable(_)) {
                return Err(refusal);
            }
            tokio::time::sleep(Duration::from_millis(50) * 2_u32.pow(attempt)).await;
            attempt += 1;
        }
    }

    async fn attempt(
        &self,
        method: &Method,
        target: &str,
        headers: &[(&'static str, String)],
        body: Bytes,
    ) -> Result<Bytes, Refusal> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{target}", self.settings.base));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let mut request: HttpRequest = request
            .body(HttpRequestBody::from(body))
            .map_err(Refusal::unavailable)?;
        let credential = self.store.credentials().get_credential().await?;
        AwsAuthorizer::new(&credential, "s3", &self.settings.region)
            .try_authorize(&mut request, None)?;
        let answer = self.http.execute(request).await;
        let answer = answer.map_err(Refusal::unavailable)?;
        let status = answer.status();
        let body = http_body_util::Limited::new(answer.into_body(), ANSWER_BYTES);
        let body = body
            .collect()
            .await
            .map_err(Refusal::Unavailable)?
            .to_bytes();
        if status.is_success() {
            return Ok(body);
        }
        let text = String::from_utf8_lossy(&body);
        let reason = format!("{status}: {}", text.chars().take(500).collect::<String>());
        Err(match status {
            StatusCode::NOT_FOUND if text.contains("NoSuchBucket") => Refusal::NoBucket,
            StatusCode::NOT_FOUND => Refusal::NotFound,
            StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => Refusal::Forbidden(reason.into()),
            _ => Refusal::unavailable(reason),
        })
    }
}

fn parse(answer: &[u8]) -> Result<Page, ListError> {
    let text = std::str::from_utf8(answer).map_err(|_| ListError::Encoding)?;
    // Any other document would pass for an empty listing.
    if !text.contains("<ListBucketResult") {
        return Err(ListError::NoListing);
    }
    let answer: Answer = quick_xml::de::from_str(text)?;
    let is_encoded = answer.encoding_type.as_deref() == Some("url");
    let decode = |text: String| match is_encoded {
        true => unescaped(&text).ok_or(ListError::Encoding),
        false => Ok(text),
    };
    let objects = answer.contents.into_iter().map(|content| {
        let modified: jiff::Timestamp = content.last_modified.parse()?;
        Ok(Object {
            key: decode(content.key)?,
            size_bytes: content.size,
            modified_seconds: modified.as_second(),
            etag: content.etag.unwrap_or_default(),
            storage_class: content
                .storage_class
                .as_deref()
                .and_then(StorageClass::named),
            owner: content.owner.as_ref().and_then(ContentOwner::word),
            tags: None,
        })
    });
    let objects = objects.collect::<Result<_, ListError>>()?;
    let prefixes = answer.common_prefixes.into_iter();
    Ok(Page {
        objects,
        prefixes: prefixes
            .map(|p| decode(p.prefix))
            .collect::<Result<_, _>>()?,
        next: answer
            .next_continuation_token
            .filter(|next| !next.is_empty()),
    })
}

#[derive(Debug, thiserror::Error)]
enum ListError {
    #[error("the listing is no XML as expected: {0}")]
    Xml(#[from] quick_xml::DeError),
    #[error("a time in the listing is no time: {0}")]
    Time(#[from] jiff::Error),
    #[error("the answer is no listing")]
    NoListing,
    #[error("the listing is not UTF-8")]
    Encoding,
}

/// For a URL: all but what is never escaped; slashes too, unless it is a path.
pub(super) fn escaped(text: &str, is_path: bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || is_path && byte == b'/' {
            escaped.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

/// The text behind it; `+` is a space, as S3 has it in listings.
fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            b'+' => b' ',
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_listing_is_read_with_the_keys_as_they_are() {
        let xml = r#"<?xml version="1.0" encoding="UTF-8"?>
            <ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
              <Name>b</Name><Prefix/><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>
              <Contents><Key>a%0Ab+c%2B</Key><LastModified>2026-11-24T15:21:17.250Z</LastModified>
                <ETag>&quot;e-2&quot;</ETag><Size>7</Size>
                <Owner><ID>75aa57f0</ID><DisplayName>ada</DisplayName></Owner></Contents>
              <CommonPrefixes><Prefix>a%2F%2F</Prefix></CommonPrefixes>
              <Contents><Key>x</Key><LastModified>1970-01-01T00:00:00Z</LastModified>
                <Size>0</Size><Owner><ID>75aa57f0</ID></Owner></Contents>
              <NextContinuationToken>t/+=</NextContinuationToken>
            </ListBucketResult>"#;
        let page = parse(xml.as_bytes()).unwrap();
        let [first, second] = &page.objects[..] else {
            panic!("{page:?}")
        };
        assert_eq!((&*first.key, &*first.etag), ("a\nb c+", "\"e-2\""));
        assert_eq!(
            (first.size_bytes, first.modified_seconds),
            (7, 1_795_533_677)
        );
        assert_eq!((&*second.key, second.modified_seconds), ("x", 0));
        let owner = |object: &Object| object.owner.map(ObjectOwner::as_str);
        assert_eq!(
            (owner(first), owner(second)),
            (Some("ada"), Some("75aa57f0"))
        );
        assert_eq!(page.prefixes, ["a//"]);
        assert_eq!(page.next.as_deref(), Some("t/+="));
    }

    #[test]
    fn what_is_no_listing_is_an_error() {
        for answer in [
            &b"<Error><Code>SlowDown</Code></Error><"[..],
            b"<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>",
            b"\xff",
        ] {
            assert!(parse(answer).is_err(), "{answer:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_escaped_comes_back(text in "\\PC{0,20}[\\x00-\\x1f+% ]{0,4}") {
            prop_assert_eq!(unescaped(&escaped(&text, false)), Some(text.clone()));
            prop_assert_eq!(unescaped(&escaped(&text, true)), Some(text));
        }
    }
}
