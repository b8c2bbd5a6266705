//! An S3 of one's own: moto's server, which speaks the protocol and keeps everything in memory.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::{Process, free_port, wait_for};

/// Python reads a good deal before it listens, and the machine may be busy.
const START_TIMEOUT: Duration = Duration::from_secs(60);
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Another process may take a port between the look and the start.
const ATTEMPTS: usize = 5;

/// A private S3 on loopback, stopped when dropped. It takes every access key, and does not look at
/// signatures.
#[derive(Debug)]
pub struct S3Server {
    process: Process,
    port: u16,
}

impl S3Server {
    /// Starts one without buckets.
    ///
    /// # Panics
    /// moto is missing or does not start.
    #[must_use]
    #[track_caller]
    pub fn start() -> Self {
        for _ in 0..ATTEMPTS {
            let port = free_port();
            let mut command = Command::new(moto_server());
            command
                .args(["-H", "127.0.0.1", "-p", &port.to_string()])
                .env("PYTHONUNBUFFERED", "1");
            let mut process = Process::spawn(&mut command);
            let is_up = wait_for("moto_server to answer", START_TIMEOUT, || {
                if !process.is_running() {
                    return Ok(false);
                }
                request(port, "GET", "/moto-api/", "").map(|_| true)
            });
            if is_up {
                return Self { process, port };
            }
            let log = process.last_words();
            assert!(log.contains("in use"), "moto_server did not start:\n{log}");
        }
        panic!("moto_server found no free port in {ATTEMPTS} attempts")
    }

    /// `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// Makes a bucket.
    ///
    /// # Panics
    /// It is refused.
    #[track_caller]
    pub fn create_bucket(&self, bucket: &str) {
        self.expect("PUT", &format!("/{bucket}"), "");
    }

    /// Puts an object, as somebody else would. The key is escaped as in a URL.
    ///
    /// # Panics
    /// It is refused.
    #[track_caller]
    pub fn put(&self, bucket: &str, key: &str, content: &str) {
        self.expect("PUT", &format!("/{bucket}/{key}"), content);
    }

    /// The same into a storage class.
    ///
    /// # Panics
    /// It is refused.
    #[track_caller]
    pub fn put_into(&self, class: &str, bucket: &str, key: &str, content: &str) {
        let header = format!("x-amz-storage-class: {class}\r\n");
        self.expect_with("PUT", &format!("/{bucket}/{key}"), &header, content);
    }

    /// Gives an object these tags and no others. Keys and values have nothing that XML would escape.
    ///
    /// # Panics
    /// It is refused.
    #[track_caller]
    pub fn tag(&self, bucket: &str, key: &str, tags: &[(&str, &str)]) {
        let target = format!("/{bucket}/{key}?tagging=");
        if tags.is_empty() {
            self.expect("DELETE", &target, "");
            return;
        }
        let tags = tags
            .iter()
            .map(|(key, value)| format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>"));
        let tags: String = tags.collect();
        let body = format!("<Tagging><TagSet>{tags}</TagSet></Tagging>");
        self.expect("PUT", &target, &body);
    }

    /// Deletes an object, as somebody else would.
    ///
    /// # Panics
    /// It is refused.
    #[track_caller]
    pub fn delete(&self, bucket: &str, key: &str) {
        self.expect("DELETE", &format!("/{bucket}/{key}"), "");
    }

    /// The contents of an object, if it is there.
    ///
    /// # Panics
    /// It does not answer.
    #[must_use]
    #[track_caller]
    pub fn content(&self, bucket: &str, key: &str) -> Option<String> {
        let target = format!("/{bucket}/{key}");
        let (status, body) = request(self.port, "GET", &target, "")
            .unwrap_or_else(|error| panic!("GET {target}: {error}"));
        (status == 200).then_some(body)
    }

    /// All keys of a bucket, in order, as they are.
    ///
    /// # Panics
    /// It does not answer, or there are more than a thousand.
    #[must_use]
    #[track_caller]
    pub fn keys(&self, bucket: &str) -> Vec<String> {
        let listing = self.expect("GET", &format!("/{bucket}?list-type=2"), "");
        assert!(!listing.contains("<IsTruncated>true"), "too many keys");
        listing
            .split("<Key>")
            .skip(1)
            .filter_map(|rest| rest.split("</Key>").next())
            .map(|key| {
                key.replace("&lt;", "<")
                    .replace("&gt;", ">")
                    .replace("&amp;", "&")
            })
            .collect()
    }

    /// The uploads in parts that were begun and neither completed nor given up.
    ///
    /// # Panics
    /// It does not answer.
    #[must_use]
    #[track_caller]
    pub fn uploads(&self, bucket: &str) -> usize {
        let listing = self.expect("GET", &format!("/{bucket}?uploads"), "");
        listing.matches("<UploadId>").count()
    }

    /// Stops it in good order; connections to its port are then refused.
    pub fn stop(&mut self) {
        self.process.stop(STOP_TIMEOUT);
    }

    #[track_caller]
    fn expect(&self, method: &str, target: &str, body: &str) -> String {
        self.expect_with(method, target, "", body)
    }

    /// The same with more header lines, each with its end.
    #[track_caller]
    fn expect_with(&self, method: &str, target: &str, more: &str, body: &str) -> String {
        let (status, answer) = request_with(self.port, (method, target), more, body)
            .unwrap_or_else(|error| panic!("{method} {target}: {error}"));
        assert!(
            (200..300).contains(&status),
            "{method} {target}: {status} {answer}"
        );
        answer
    }
}

/// What moto wants to see of somebody who may do everything; it does not look at signatures.
const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 \
    Credential=somebody/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=none";

/// One request on a connection of its own.
fn request(port: u16, method: &str, target: &str, body: &str) -> std::io::Result<(u16, String)> {
    request_with(port, (method, target), "", body)
}

fn request_with(
    port: u16,
    (method, target): (&str, &str),
    more: &str,
    body: &str,
) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    let length = body.len();
    write!(
        stream,
        "{method} {target} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\
         Authorization: {AUTHORIZATION}\r\n\
         {more}Content-Type: application/octet-stream\r\nContent-Length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    match status {
        Some(status) => Ok((status, body.to_owned())),
        None => Err(std::io::Error::other(format!("no answer: {head:?}"))),
    }
}

/// The one that scripts/setup installs, or else one on the PATH.
fn moto_server() -> PathBuf {
    let own = PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../.s3/bin/moto_server"
    ));
    if own.try_exists().unwrap_or(false) {
        return own;
    }
    let on_path = PathBuf::from("moto_server");
    let found = Command::new(&on_path).arg("--help").output();
    assert!(
        found.is_ok_and(|output| output.status.success()),
        "moto_server is missing: install it with 'scripts/setup --test'"
    );
    on_path
}
