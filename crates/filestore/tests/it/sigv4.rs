//! AWS Signature Version 4, computed again from what arrived: by its specification, and by no code
//! of the client's. And a server that lets through to an S3 only what is signed rightly.

use crate::support::Server;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::request::Parts;
use axum::response::Response;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use testkit::S3Server;

const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// HMAC-SHA256 (RFC 2104).
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0_u8; 64];
    if key.len() > block.len() {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let padded = |pad: u8| block.map(|byte| byte ^ pad);
    let inner = Sha256::new()
        .chain_update(padded(0x36))
        .chain_update(message);
    let outer = Sha256::new()
        .chain_update(padded(0x5c))
        .chain_update(inner.finalize());
    outer.finalize().into()
}

fn unescaped(text: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), text.bytes());
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            byte => byte,
        });
    }
    bytes
}

/// As the specification spells bytes.
fn escaped(bytes: &[u8], keeps_slashes: bool) -> String {
    let spell = |byte: &u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(*byte).to_string()
        }
        b'/' if keeps_slashes => "/".to_owned(),
        byte => format!("%{byte:02X}"),
    };
    bytes.iter().map(spell).collect()
}

/// What a request was signed as.
#[derive(Debug)]
struct Claim {
    scope: Vec<String>,
    signed_headers: Vec<String>,
    signature: String,
    date: String,
    payload: String,
    is_presigned: bool,
}

fn claim(parts: &Parts, query: &BTreeMap<String, String>) -> Result<Claim, String> {
    let list = |text: &str, by: char| text.split(by).map(str::to_owned).collect();
    let header = |name: &str| {
        parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    if let Some(signature) = query.get("X-Amz-Signature") {
        let of = |name: &str| query.get(name).cloned().ok_or(format!("no {name}"));
        return Ok(Claim {
            scope: list(&of("X-Amz-Credential")?, '/'),
            signed_headers: list(&of("X-Amz-SignedHeaders")?, ';'),
            signature: signature.clone(),
            date: of("X-Amz-Date")?,
            payload: "UNSIGNED-PAYLOAD".to_owned(),
            is_presigned: true,
        });
    }
    let authorization = header("authorization").ok_or("no authorization")?;
    let fields = authorization
        .strip_prefix("AWS4-HMAC-SHA256 ")
        .ok_or("another algorithm")?;
    let of = |name: &str| {
        let mut fields = fields.split(',').map(str::trim);
        fields
            .find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
            .ok_or(format!("no {name}"))
    };
    Ok(Claim {
        scope: list(of("Credential")?, '/'),
        signed_headers: list(of("SignedHeaders")?, ';'),
        signature: of("Signature")?.to_owned(),
        date: header("x-amz-date").ok_or("no date")?.to_owned(),
        payload: header("x-amz-content-sha256")
            .ok_or("no payload hash")?
            .to_owned(),
        is_presigned: false,
    })
}

/// Whether the request is signed by this key, and its body is what was signed.
pub(crate) fn verify(parts: &Parts, body: &[u8], key: (&str, &str)) -> Result<(), String> {
    let query = parts.uri.query().unwrap_or_default();
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let text = |part: &str| String::from_utf8(unescaped(part)).unwrap();
    let query: BTreeMap<_, _> = pairs
        .map(|(name, value)| (text(name), text(value)))
        .collect();
    let claim = claim(parts, &query)?;
    let [id, day, region, service, end] = &claim.scope[..] else {
        return Err(format!("the scope {:?}", claim.scope));
    };
    if (&**id, &**service, &**end) != (key.0, "s3", "aws4_request") || !claim.date.starts_with(day)
    {
        return Err(format!("the scope {:?} at {}", claim.scope, claim.date));
    }
    let needed: &[&str] = match claim.is_presigned {
        true => &["host"],
        false => &["host", "x-amz-content-sha256", "x-amz-date"],
    };
    let is_signed = |name: &&str| claim.signed_headers.iter().any(|signed| signed == name);
    if !needed.iter().all(is_signed) {
        return Err(format!("signed are only {:?}", claim.signed_headers));
    }
    if !claim.is_presigned && claim.payload != hex::encode(Sha256::digest(body)) {
        return Err(format!("the payload is not {}", claim.payload));
    }
    let mut canonical = format!(
        "{}\n{}\n",
        parts.method,
        escaped(&unescaped(parts.uri.path()), true)
    );
    let mut spelled: Vec<_> = query
        .iter()
        .filter(|(name, _)| *name != "X-Amz-Signature")
        .map(|(name, value)| {
            (
                escaped(name.as_bytes(), false),
                escaped(value.as_bytes(), false),
            )
        })
        .collect();
    spelled.sort();
    let spelled: Vec<_> = spelled
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    canonical += &format!("{}\n", spelled.join("&"));
    for name in &claim.signed_headers {
        let values = parts.headers.get_all(name).iter();
        let values: Vec<_> = values.map(|value| value.to_str().unwrap().trim()).collect();
        canonical += &format!("{name}:{}\n", values.join(","));
    }
    canonical += &format!("\n{}\n{}", claim.signed_headers.join(";"), claim.payload);
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{}\n{day}/{region}/s3/aws4_request\n{}",
        claim.date,
        hex::encode(Sha256::digest(&canonical))
    );
    let mut signing = hmac(format!("AWS4{}", key.1).as_bytes(), day.as_bytes());
    for part in [region, service, end] {
        signing = hmac(&signing, part.as_bytes());
    }
    match hex::encode(hmac(&signing, to_sign.as_bytes())) == claim.signature {
        true => Ok(()),
        false => Err(format!("the signature of\n{canonical}")),
    }
}

/// A request that was let through, or why not.
pub(crate) type Looked = (String, Result<(), String>);

/// A server before an S3.
pub(crate) struct Gate {
    pub(crate) url: String,
    pub(crate) looked: Arc<Mutex<Vec<Looked>>>,
}

impl Gate {
    /// Lets through what is signed by this key.
    pub(crate) async fn before(s3: &S3Server, key: (&'static str, &'static str)) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let looked = Arc::new(Mutex::new(Vec::new()));
        let (target, memory, client) = (s3.url(), Arc::clone(&looked), reqwest::Client::new());
        let app = axum::Router::new().fallback(move |request: Request| {
            let (target, memory, client) = (target.clone(), Arc::clone(&memory), client.clone());
            async move {
                let (parts, body) = request.into_parts();
                let body = to_bytes(body, usize::MAX).await.unwrap();
                let verdict = verify(&parts, &body, key);
                let line = format!("{} {}", parts.method, parts.uri);
                let is_signed = verdict.is_ok();
                memory.lock().unwrap().push((line, verdict));
                match is_signed {
                    true => forward(&client, &target, parts, body).await,
                    false => Response::builder()
                        .status(403)
                        .body(Body::from(
                            "<Error><Code>SignatureDoesNotMatch</Code></Error>",
                        ))
                        .unwrap(),
                }
            }
        });
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, looked }
    }

    pub(crate) fn looked(&self) -> Vec<Looked> {
        self.looked.lock().unwrap().clone()
    }

    /// Makes a mount of the bucket behind it, by the credentials in the server's file.
    pub(crate) async fn mount(&self, server: &Server, s3: &S3Server) -> crate::support::Answered {
        let mut body = server.s3_mount_body(s3);
        body["config"]["endpoint"] = self.url.clone().into();
        let request = server.request(reqwest::Method::POST, "/v1/backend-mounts");
        server.send(request.json(&body)).await
    }
}

async fn forward(client: &reqwest::Client, target: &str, parts: Parts, body: Bytes) -> Response {
    let mut headers = parts.headers;
    headers.remove("host");
    let path = parts.uri.path_and_query().unwrap();
    let request = client.request(parts.method, format!("{target}{path}"));
    let answer = request.headers(headers).body(body).send().await.unwrap();
    let mut response = Response::builder().status(answer.status());
    for (name, value) in answer.headers() {
        if name != "transfer-encoding" {
            response = response.header(name, value);
        }
    }
    response
        .body(Body::from(answer.bytes().await.unwrap()))
        .unwrap()
}

/// The examples of the specification ("Signature Calculations for the Authorization Header" and
/// "Authenticating Requests: Using Query Parameters").
#[test]
fn the_examples_of_the_specification_are_signed_as_it_says() {
    const KEY: (&str, &str) = (
        "AKIAIOSFODNN7EXAMPLE",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    );
    let scope = "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request";
    let authorization = |signed: &str, signature: &str| {
        format!("AWS4-HMAC-SHA256 Credential={scope},SignedHeaders={signed},Signature={signature}")
    };
    let get = Request::builder()
        .uri("/test.txt")
        .header("host", "examplebucket.s3.amazonaws.com")
        .header("range", "bytes=0-9")
        .header("x-amz-content-sha256", EMPTY)
        .header("x-amz-date", "20130524T000000Z")
        .header(
            "authorization",
            authorization(
                "host;range;x-amz-content-sha256;x-amz-date",
                "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
            ),
        );
    let presigned = "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=\
        AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&\
        X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=\
        aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
    let presigned = Request::builder()
        .uri(presigned)
        .header("host", "examplebucket.s3.amazonaws.com");
    for request in [get, presigned] {
        let (parts, ()) = request.body(()).unwrap().into_parts();
        assert_eq!(verify(&parts, b"", KEY), Ok(()));
        assert!(verify(&parts, b"", (KEY.0, "another")).is_err());
        let mut other = parts.clone();
        other.uri = parts
            .uri
            .to_string()
            .replace("test.txt", "tost.txt")
            .parse()
            .unwrap();
        assert!(verify(&other, b"", KEY).is_err());
    }
}
