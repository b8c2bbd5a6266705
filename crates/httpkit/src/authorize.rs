//! Tokens and origins, checked before any handler.
//!
//! An operation needs the scope that its OpenAPI document names
//! (`security(("bearer" = ["metastore:delete"]))`), so what is documented is what is enforced. One
//! that names none needs `<service>:read` for GET and HEAD and `<service>:write` for the rest;
//! `security(())` makes it public. A name without a service, such as `admin`, is of the service
//! that serves the operation. The first scope is asked for here; a handler asks for the others
//! that its document names where they apply ([`Caller::require`]).
//!
//! Without a tokens file a service is reachable from its own machine only. A web page open in a
//! browser there is on that machine too: it could post to the service, or read from it by DNS
//! rebinding. So without tokens the Host, and the Origin if there is one, must be loopback.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::revoked::until_revoked;
use crate::{Caller, Code, Problem, Result, Tokens};

/// What an operation needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Need {
    Nothing,
    /// The first is needed always, the others where the handler says so.
    Scopes(Arc<[String]>),
}

impl Need {
    /// What an operation needs whose document says nothing about it.
    pub(crate) fn by_method(service: &str, method: &str) -> Self {
        let verb = if matches!(method, "GET" | "HEAD" | "OPTIONS") {
            "read"
        } else {
            "write"
        };
        Self::Scopes(Arc::new([format!("{service}:{verb}")]))
    }
}

#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) service: &'static str,
    pub(crate) tokens: Option<Arc<Tokens>>,
    /// By path template, then by method.
    pub(crate) needs: HashMap<String, HashMap<&'static str, Need>>,
}

pub(crate) async fn authorize(
    State(policy): State<Arc<Policy>>,
    mut request: Request,
    next: Next,
) -> Response {
    match policy.admit(&request) {
        Ok(caller) => {
            let revoked = caller.grant().map(|grant| grant.revoked.clone());
            request.extensions_mut().insert(caller);
            match revoked {
                None => next.run(request).await,
                Some(revoked) => until_revoked(revoked, next.run(request)).await,
            }
        }
        Err(problem) => problem.into_response(),
    }
}

impl Policy {
    fn admit(&self, request: &Request) -> Result<Caller> {
        if self.tokens.is_none() {
            require_loopback(request.uri(), request.headers())?;
        }
        let Need::Scopes(scopes) = self.need(request) else {
            return Ok(Caller::of(None, self.service, Some(Arc::default())));
        };
        let grant = match &self.tokens {
            None => None,
            Some(tokens) => {
                let grant = tokens.grant(bearer(request.headers())?);
                let absent = || Problem::unauthorized("the token is not in the tokens file");
                Some(grant.ok_or_else(absent)?)
            }
        };
        let caller = Caller::of(grant, self.service, Some(Arc::clone(&scopes)));
        scopes
            .first()
            .map_or(Ok(()), |first| caller.require(first))?;
        Ok(caller)
    }

    fn need(&self, request: &Request) -> Need {
        // axum answers HEAD with the handler of GET.
        let method = match request.method() {
            &Method::HEAD => "GET",
            other => other.as_str(),
        };
        request
            .extensions()
            .get::<MatchedPath>()
            .and_then(|path| self.needs.get(path.as_str())?.get(method))
            .cloned()
            .unwrap_or_else(|| Need::by_method(self.service, method))
    }
}

fn bearer(headers: &HeaderMap) -> Result<&str> {
    let missing = || Problem::unauthorized("add -H 'authorization: Bearer <token>'");
    let value = headers.get(AUTHORIZATION).ok_or_else(missing)?;
    let (scheme, token) = value
        .to_str()
        .ok()
        .and_then(|v| v.split_once(' '))
        .ok_or_else(missing)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        Ok(token.trim())
    } else {
        Err(missing())
    }
}

fn require_loopback(uri: &Uri, headers: &HeaderMap) -> Result<()> {
    let host_header = headers
        .get(HOST)
        .map(|host| host.to_str().unwrap_or_default());
    let authorities = [uri.authority().map(Authority::as_str), host_header];
    if let Some(host) = authorities
        .into_iter()
        .flatten()
        .find(|host| !is_loopback(host))
    {
        return Err(foreign(StatusCode::MISDIRECTED_REQUEST, "Host", host));
    }
    if let Some(origin) = headers.get(ORIGIN) {
        let origin = origin.to_str().unwrap_or_default();
        let host = origin.split_once("://").map_or("", |(_, host)| host);
        if !is_loopback(host) {
            return Err(foreign(StatusCode::FORBIDDEN, "Origin", origin));
        }
    }
    Ok(())
}

fn foreign(status: StatusCode, header: &str, value: &str) -> Problem {
    Problem::new(
        status,
        Code::ForeignOrigin,
        format!(
            "{header} {value:?} is not loopback: without a tokens file (TIDEMARK_TOKENS_FILE) \
             only this machine is served, by a loopback address"
        ),
    )
}

fn is_loopback(authority: &str) -> bool {
    let Ok(authority) = authority.parse::<Authority>() else {
        return false;
    };
    // The parser takes a user before the host, and any text for a port.
    let rest = authority.as_str().strip_prefix(authority.host());
    if rest != Some("") && (rest.is_none() || authority.port_u16().is_none()) {
        return false;
    }
    let host = authority
        .host()
        .trim_start_matches('[')
        .trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_count_as_loopback() {
        for name in [
            "localhost",
            "LOCALHOST:4200",
            "127.0.0.1:4200",
            "127.9.9.9",
            "[::1]:4200",
        ] {
            assert!(is_loopback(name), "{name}");
        }
        for name in [
            "",
            "evil.example",
            "localhost.evil.example",
            "10.0.0.1:4200",
            "[::2]",
            "0.0.0.0",
            "me@localhost",
            "localhost:1$(reboot)",
        ] {
            assert!(!is_loopback(name), "{name}");
        }
    }
}
