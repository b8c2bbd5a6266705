//! What requests carry, checked.

use crate::record::condition::{Conditions, States};
use crate::record::outcome::Target;
use crate::record::write::{MetadataPatch, Patch};
use crate::record::{Metadata, PersonsPart, TagsPatch, valid};
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::header::{IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderName};
use httpkit::conditions::{EntityTag, tags};
use httpkit::{Code, Problem, content_type, json};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

/// A JSON body that may be left out.
#[derive(Debug, Default)]
pub(super) struct OptionalJson<T>(pub(super) T);

impl<T, S> FromRequest<S> for OptionalJson<T>
where
    T: DeserializeOwned + Default,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let body = bytes(Request::from_parts(parts.clone(), body), state).await?;
        if body.is_empty() {
            return Ok(Self(T::default()));
        }
        let request = Request::from_parts(parts, Body::from(body));
        httpkit::Json::from_request(request, state)
            .await
            .map(|json| Self(json.0))
    }
}

async fn bytes<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    Bytes::from_request(request, state)
        .await
        .map_err(|_| Problem::too_large("the body is larger than this operation takes"))
}

/// `namespace` and `key` of the path.
#[derive(Debug, Deserialize)]
pub(super) struct Name {
    pub(super) namespace: String,
    pub(super) key: String,
}

impl Name {
    /// The record that is meant, if the caller may touch its namespace.
    pub(super) fn target(
        self,
        caller: &httpkit::Caller,
        expected_version: Option<i64>,
    ) -> Result<Target, Problem> {
        check_name("/", &self.namespace, &self.key)?;
        caller.require_namespace(&self.namespace)?;
        check_version("/", expected_version)?;
        Ok(Target {
            namespace: self.namespace,
            key: self.key,
            expected_version,
            conditions: Conditions::default(),
        })
    }
}

impl Target {
    /// Only if what `If-Match` and `If-None-Match` say holds.
    pub(super) fn under(mut self, headers: &HeaderMap) -> Result<Self, Problem> {
        self.conditions = Conditions {
            is_one_of: states(headers, &IF_MATCH)?,
            is_none_of: states(headers, &IF_NONE_MATCH)?,
        };
        Ok(self)
    }
}

/// The states that a header names by their ETags: a version in quotes, and behind a dash what is
/// shown beside it.
fn states(headers: &HeaderMap, name: &HeaderName) -> Result<Option<States>, Problem> {
    let Some(tags) = tags(headers, name)? else {
        return Ok(None);
    };
    if tags.contains(&EntityTag::Any) {
        return Ok(Some(States::Any));
    }
    let versions = tags.into_iter().filter_map(|tag| match tag {
        EntityTag::Tag {
            opaque,
            is_weak: false,
        } => opaque.split('-').next()?.parse().ok(),
        // A tag that is not one of ours is that of no version.
        EntityTag::Any | EntityTag::Tag { .. } => None,
    });
    Ok(Some(States::Versions(versions.collect())))
}

pub(super) fn check_name(prefix: &str, namespace: &str, key: &str) -> Result<(), Problem> {
    let refuse = |field: &str| {
        let pointer = format!("{prefix}{field}");
        move |detail: String| Problem::invalid(&pointer, detail)
    };
    valid::namespace(namespace).map_err(refuse("namespace"))?;
    valid::key(key).map_err(refuse("key"))
}

pub(super) fn check_version(prefix: &str, expected: Option<i64>) -> Result<(), Problem> {
    match expected {
        Some(version) if version < 1 => Err(Problem::invalid(
            &format!("{prefix}expectedVersion"),
            "a version is 1 or more",
        )),
        _ => Ok(()),
    }
}

/// All that a person says of a record, checked.
pub(super) fn persons_part(
    prefix: &str,
    metadata: Metadata,
    tags: Option<Vec<String>>,
    owner: Option<String>,
    schema_hash: Option<String>,
) -> Result<PersonsPart, Problem> {
    check_parts(
        prefix,
        tags.as_deref(),
        owner.as_deref(),
        schema_hash.as_deref(),
    )?;
    let mut part = PersonsPart {
        metadata,
        tags: Vec::new(),
        owner,
        schema_hash,
    };
    part.patch_tags(&TagsPatch {
        set: tags,
        ..TagsPatch::default()
    });
    Ok(part)
}

fn check_parts(
    prefix: &str,
    tags: Option<&[String]>,
    owner: Option<&str>,
    schema_hash: Option<&str>,
) -> Result<(), Problem> {
    let refuse = |field: &str| {
        let pointer = format!("{prefix}{field}");
        move |detail: String| Problem::invalid(&pointer, detail)
    };
    tags.map_or(Ok(()), valid::tags).map_err(refuse("tags"))?;
    owner
        .map_or(Ok(()), valid::owner)
        .map_err(refuse("owner"))?;
    schema_hash
        .map_or(Ok(()), valid::schema_hash)
        .map_err(refuse("schemaHash"))
}

/// The key under which a request may come again: that of its body, else of its headers.
pub(super) fn idempotency_key(
    headers: &HeaderMap,
    in_body: Option<String>,
) -> Result<Option<String>, Problem> {
    let mut in_headers = None;
    for name in ["idempotency-key", "x-idempotency-key"] {
        let Some(key) = httpkit::header(headers, name)?.filter(|key| !key.is_empty()) else {
            continue;
        };
        valid::key(key).map_err(|detail| {
            let detail = format!("the header {name}: {detail}");
            Problem::bad_request(Code::InvalidRequest, detail)
        })?;
        in_headers = in_headers.or(Some(key));
    }
    if let Some(key) = &in_body {
        valid::key(key).map_err(|detail| Problem::invalid("/idempotencyKey", detail))?;
    }
    Ok(in_body.or_else(|| in_headers.map(str::to_owned)))
}

/// What a record names a schema by.
pub(super) fn check_hash(pointer: &str, hash: &str) -> Result<(), Problem> {
    valid::schema_hash(hash).map_err(|detail| Problem::invalid(pointer, detail))
}

/// `POST /records`.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreateBody {
    /// Letters, digits, `:`, `_` and `-`.
    pub(super) namespace: String,
    /// 1 to 256 characters.
    pub(super) key: String,
    /// A JSON object of at most 1 MiB. `filestore` in it is the sync's: an echo of what was shown
    /// is taken and dropped, anything else refused.
    #[schema(value_type = Object)]
    pub(super) metadata: Metadata,
    /// At most 128 tags of 1 to 64 characters.
    #[serde(default)]
    pub(super) tags: Option<Vec<String>>,
    #[serde(default)]
    pub(super) owner: Option<String>,
    /// A schema that is registered; the metadata is checked against it.
    #[serde(default)]
    pub(super) schema_hash: Option<String>,
    /// The same key with the same request gives the same answer again, for seven days.
    #[serde(default)]
    pub(super) idempotency_key: Option<String>,
}

/// `PUT /records/{namespace}/{key}`.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PutBody {
    /// A JSON object of at most 1 MiB. `filestore` in it is the sync's: an echo of what was shown
    /// is taken and dropped, anything else refused.
    #[schema(value_type = Object)]
    pub(super) metadata: Metadata,
    /// At most 128 tags of 1 to 64 characters.
    #[serde(default)]
    pub(super) tags: Option<Vec<String>>,
    #[serde(default)]
    pub(super) owner: Option<String>,
    /// A schema that is registered; the metadata is checked against it.
    #[serde(default)]
    pub(super) schema_hash: Option<String>,
    /// The version that the record must be at.
    #[serde(default)]
    pub(super) expected_version: Option<i64>,
    /// The same key with the same request gives the same answer again, for seven days.
    #[serde(default)]
    pub(super) idempotency_key: Option<String>,
}

/// `PATCH /records/{namespace}/{key}`; at least one part must be given.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PatchBody {
    /// Merged into the metadata, objects field by field.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    metadata: Option<Metadata>,
    /// Dotted paths of metadata to remove.
    #[serde(default)]
    metadata_unset: Option<Vec<String>>,
    #[serde(default)]
    tags: Option<TagsPatch>,
    /// Null removes the owner.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    owner: Option<Option<String>>,
    /// A schema that is registered; null removes the hash, and nothing is checked any more.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    schema_hash: Option<Option<String>>,
    /// The version that the record must be at.
    #[serde(default)]
    pub(super) expected_version: Option<i64>,
    /// The same key with the same request gives the same answer again, for seven days.
    #[serde(default)]
    idempotency_key: Option<String>,
}

impl PatchBody {
    pub(super) fn patch(self) -> Result<Patch, Problem> {
        let unset = self.metadata_unset.unwrap_or_default();
        let is_empty = self.metadata.is_none()
            && unset.is_empty()
            && self.tags.is_none()
            && self.owner.is_none()
            && self.schema_hash.is_none();
        if is_empty {
            return Err(Problem::bad_request(
                Code::InvalidRequest,
                "give at least one of metadata, metadataUnset, tags, owner, schemaHash",
            ));
        }
        for (index, path) in unset.iter().enumerate() {
            if path.split('.').any(str::is_empty) {
                let pointer = format!("/metadataUnset/{index}");
                return Err(Problem::invalid(
                    &pointer,
                    "names joined by dots, such as a.b",
                ));
            }
        }
        if let Some(tags) = &self.tags {
            for (field, tags) in [
                ("set", tags.set.as_deref()),
                ("add", Some(&*tags.add)),
                ("remove", Some(&*tags.remove)),
            ] {
                tags.map_or(Ok(()), valid::tags)
                    .map_err(|detail| Problem::invalid(&format!("/tags/{field}"), detail))?;
            }
        }
        check_texts(&self.owner, &self.schema_hash)?;
        Ok(Patch {
            metadata: self.metadata.map(MetadataPatch::Merge),
            unset,
            tags: self.tags,
            owner: self.owner,
            schema_hash: self.schema_hash,
        })
    }
}

fn check_texts(
    owner: &Option<Option<String>>,
    schema_hash: &Option<Option<String>>,
) -> Result<(), Problem> {
    let text = |text: &Option<Option<String>>| text.as_ref().and_then(Option::clone);
    check_parts(
        "/",
        None,
        text(owner).as_deref(),
        text(schema_hash).as_deref(),
    )
}

/// `PATCH /records/{namespace}/{key}` as a JSON Merge Patch (RFC 7396) of the record: null removes.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct MergePatchBody {
    /// Objects are merged field by field; null removes a field, or all of it.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Object>)]
    metadata: Option<Option<Metadata>>,
    /// Replaces the tags; null removes them.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Vec<String>>)]
    tags: Option<Option<Vec<String>>>,
    /// Null removes the owner.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    owner: Option<Option<String>>,
    /// A schema that is registered; null removes the hash, and nothing is checked any more.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    schema_hash: Option<Option<String>>,
}

impl MergePatchBody {
    fn patch(self) -> Result<Patch, Problem> {
        check_texts(&self.owner, &self.schema_hash)?;
        let tags = self.tags.map(Option::unwrap_or_default);
        if let Some(tags) = &tags {
            valid::tags(tags).map_err(|detail| Problem::invalid("/tags", detail))?;
        }
        Ok(Patch {
            metadata: self.metadata.map(|metadata| match metadata {
                Some(metadata) => MetadataPatch::MergePatch(metadata),
                None => MetadataPatch::Clear,
            }),
            unset: Vec::new(),
            tags: tags.map(|tags| TagsPatch {
                set: Some(tags),
                ..TagsPatch::default()
            }),
            owner: self.owner,
            schema_hash: self.schema_hash,
        })
    }
}

/// A change of parts in either form.
#[derive(Debug)]
pub(super) struct Patching {
    pub(super) patch: Patch,
    /// The version that the record must be at.
    pub(super) expected_version: Option<i64>,
    pub(super) idempotency_key: Option<String>,
}

impl<S: Send + Sync> FromRequest<S> for Patching {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        const SERVED: &[&str] = &["application/json", "application/merge-patch+json"];
        let kind = content_type(request.headers(), SERVED);
        let body = bytes(request, state).await?;
        if kind? == "application/json" {
            let mut body: PatchBody = json::from_slice(&body)?;
            return Ok(Self {
                expected_version: body.expected_version,
                idempotency_key: body.idempotency_key.take(),
                patch: body.patch()?,
            });
        }
        let body: MergePatchBody = json::from_slice(&body)?;
        Ok(Self {
            patch: body.patch()?,
            expected_version: None,
            idempotency_key: None,
        })
    }
}

/// Tells null from absent.
fn present<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Some)
}
