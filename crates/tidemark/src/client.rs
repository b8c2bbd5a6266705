//! Talking REST to the three services.

use crate::config::{Client, Config, Secret};
use reqwest::blocking::{RequestBuilder, Response};
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde_json::Value;
use std::str::FromStr;
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an answer that is not a stream may take.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);
/// How much of an answer's body that is no problem document is shown.
const EXCERPT_CHARS: usize = 300;

/// One service as a client sees it.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) name: &'static str,
    pub(crate) base: String,
    token: Option<Secret>,
    http: reqwest::blocking::Client,
}

/// The three services, and what the configuration says of them.
#[derive(Clone, Debug)]
pub(crate) struct Services {
    pub(crate) filestore: Service,
    pub(crate) metastore: Service,
    pub(crate) timestore: Service,
    pub(crate) config: Config,
}

/// Why a service did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(
        "{service} cannot be reached at {base}: {reason}\n  \
         start the services with `tidemark dev` or `tidemark serve`, or tell where {service} is \
         with --{service}-url ({env})"
    )]
    Unreachable {
        service: &'static str,
        base: String,
        env: String,
        reason: String,
    },
    #[error("{service} answered {status}: {detail}")]
    Refused {
        service: &'static str,
        status: StatusCode,
        detail: String,
    },
    /// What a command names is not in the catalogue; the text says what to do.
    #[error("{0}")]
    Absent(String),
    #[error(
        "{service} at {base} gave an answer that is not understood: {reason}\n  \
         another program may listen there; tell where {service} is with --{service}-url"
    )]
    Garbled {
        service: &'static str,
        base: String,
        reason: String,
    },
}

impl Error {
    /// The HTTP status, if the service answered with one.
    pub(crate) fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            Self::Absent(_) => Some(StatusCode::NOT_FOUND),
            Self::Unreachable { .. } | Self::Garbled { .. } => None,
        }
    }
}

impl Services {
    /// The services where `client` and the configuration say they are.
    pub(crate) fn new(client: &Client, config: Config) -> anyhow::Result<Self> {
        let http = reqwest::blocking::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            // Streams last as long as they last; other requests have their own limit.
            .timeout(None)
            // The services are near; a proxy for the outside world would be in the way.
            .no_proxy()
            .build()?;
        let [filestore, metastore, timestore] = client.base_urls(&config);
        let service = |name, base| Service {
            name,
            base,
            token: client.token.clone(),
            http: http.clone(),
        };
        Ok(Self {
            filestore: service("filestore", filestore),
            metastore: service("metastore", metastore),
            timestore: service("timestore", timestore),
            config,
        })
    }
}

impl Service {
    /// A request to this service. `path` starts with a slash.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token.expose()),
            None => request,
        }
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    /// Sends a request; an answer that is no success is an error.
    pub(crate) fn send(&self, request: RequestBuilder) -> Result<Response, Error> {
        let response = self.send_any(request)?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response.text().unwrap_or_default();
        let mut detail = explain(&body);
        if let Some(advice) = self.advice(status, &body) {
            detail = format!("{detail}\n  {advice}");
        }
        Err(Error::Refused {
            service: self.name,
            status,
            detail,
        })
    }

    /// What to do about a refusal, where the command line knows more than the service.
    fn advice(&self, status: StatusCode, body: &str) -> Option<String> {
        match status {
            StatusCode::UNAUTHORIZED if self.token.is_none() => {
                Some("give a token with --token or in TIDEMARK_TOKEN".to_owned())
            }
            StatusCode::UNAUTHORIZED => Some(
                "the token of --token or TIDEMARK_TOKEN is not in the tokens file of the service"
                    .to_owned(),
            ),
            StatusCode::FORBIDDEN => self.token.as_ref().map(|_| {
                "use a token that may do this, with --token or in TIDEMARK_TOKEN".to_owned()
            }),
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => self.elsewhere(body),
            _ => None,
        }
    }

    /// Whether another service, or another program, answers at this address.
    fn elsewhere(&self, body: &str) -> Option<String> {
        let is_problem =
            serde_json::from_str::<Value>(body).is_ok_and(|problem| problem.get("code").is_some());
        let request = self.get("/openapi.json").timeout(CONNECT_TIMEOUT);
        let document = request.send().and_then(|response| response.json::<Value>());
        let title = document.as_ref().ok().and_then(|document| {
            let title = document.pointer("/info/title")?.as_str()?;
            title.strip_prefix("Tidemark ")
        });
        let there = match title {
            Some(title) if title == self.name => return None,
            Some(title) => title,
            None if is_problem => return None,
            None => "another program",
        };
        Some(format!(
            "{} is {there}: tell where {} is with --{}-url or {}",
            self.base,
            self.name,
            self.name,
            self.variable()
        ))
    }

    /// The variable that says where the service is.
    fn variable(&self) -> String {
        format!("{}_URL", self.name.to_ascii_uppercase())
    }

    /// Sends a request and takes any answer.
    pub(crate) fn send_any(&self, request: RequestBuilder) -> Result<Response, Error> {
        request.send().map_err(|error| {
            let reason = root_cause(&error);
            if error.is_connect() || error.is_timeout() {
                Error::Unreachable {
                    service: self.name,
                    base: self.base.clone(),
                    env: self.variable(),
                    reason,
                }
            } else {
                self.garbled(reason)
            }
        })
    }

    /// Sends a request and reads its answer as JSON.
    pub(crate) fn json(&self, request: RequestBuilder) -> Result<Value, Error> {
        let response = self.send(request.timeout(ANSWER_TIMEOUT))?;
        response
            .json()
            .map_err(|error| self.garbled(root_cause(&error)))
    }

    /// What is inside `{"data": …}`.
    pub(crate) fn data(&self, request: RequestBuilder) -> Result<Value, Error> {
        match self.json(request)? {
            Value::Object(mut object) => match object.remove("data") {
                Some(data) => Ok(data),
                None => Err(self.garbled("it has no `data`")),
            },
            _ => Err(self.garbled("it is not a JSON object")),
        }
    }

    /// A header of an answer.
    pub(crate) fn header<T: FromStr>(&self, headers: &HeaderMap, name: &str) -> Result<T, Error> {
        self.header_if_any(headers, name)?
            .ok_or_else(|| self.garbled(format!("it has no header {name}")))
    }

    /// A header of an answer that may be missing.
    pub(crate) fn header_if_any<T: FromStr>(
        &self,
        headers: &HeaderMap,
        name: &str,
    ) -> Result<Option<T>, Error> {
        let Some(value) = headers.get(name) else {
            return Ok(None);
        };
        let parsed = value.to_str().ok().and_then(|text| text.parse().ok());
        match parsed {
            Some(value) => Ok(Some(value)),
            None => Err(self.garbled(format!("its header {name} cannot be read"))),
        }
    }

    /// An answer that is not what the contract promises.
    pub(crate) fn garbled(&self, reason: impl Into<String>) -> Error {
        Error::Garbled {
            service: self.name,
            base: self.base.clone(),
            reason: reason.into(),
        }
    }
}

/// What a problem document says, for people: its detail, the fields in question and the code.
fn explain(body: &str) -> String {
    let Ok(problem) = serde_json::from_str::<Value>(body) else {
        return body.trim().chars().take(EXCERPT_CHARS).collect();
    };
    let text = |key: &str| problem.get(key).and_then(Value::as_str);
    let mut detail = text("detail")
        .or_else(|| text("title"))
        .unwrap_or("no reason given")
        .to_owned();
    for field in problem
        .get("errors")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let part = |key: &str| field.get(key).and_then(Value::as_str).unwrap_or_default();
        // The detail of a problem with one field already says it.
        if !detail.contains(part("detail")) {
            detail = format!("{detail}\n  {}: {}", part("pointer"), part("detail"));
        }
    }
    match text("code") {
        Some(code) => format!("{detail} ({code})"),
        None => detail,
    }
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_told_with_its_fields_and_code() {
        let body = r#"{"title":"t","detail":"2 fields are wrong","code":"invalid_request",
            "errors":[{"pointer":"/path","detail":"must not hold `..`"},{"pointer":"/n","detail":"too big"}]}"#;
        assert_eq!(
            explain(body),
            "2 fields are wrong\n  /path: must not hold `..`\n  /n: too big (invalid_request)"
        );
        assert_eq!(explain("<html>oops"), "<html>oops");
        assert_eq!(explain("{}"), "no reason given");
    }
}
