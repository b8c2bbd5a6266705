//! A Redis server as it is configured, and what its refusals mean.

use crate::bus::RedisUrl;
use redis::aio::{MultiplexedConnection, PubSub};
use redis::{
    Client, ClientTlsConfig, ConnectionAddr, ErrorKind, RedisError, RedisResult, ServerErrorKind,
    TlsCertificates,
};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The files that TLS needs, beside the system's own certificate authorities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate authority of the server, in PEM (`FILESTORE_REDIS_CA_FILE`).
    pub ca: Option<PathBuf>,
    /// The certificate that the server wants of its clients (`FILESTORE_REDIS_CERT_FILE`).
    pub cert: Option<PathBuf>,
    /// That certificate's key (`FILESTORE_REDIS_KEY_FILE`).
    pub key: Option<PathBuf>,
}

/// A server that can be connected to. It prints without its password.
#[derive(Clone)]
pub struct Server {
    pub(crate) client: Client,
    shown: String,
}

/// Why a server is configured in a way that cannot work.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Files are named, and the URL does not ask for TLS.
    #[error(
        "FILESTORE_REDIS_CA_FILE, FILESTORE_REDIS_CERT_FILE and FILESTORE_REDIS_KEY_FILE are for a \
         server with TLS: begin FILESTORE_REDIS_URL with rediss://, or leave them out"
    )]
    NotTls,
    /// A certificate without its key, or a key without its certificate.
    #[error("FILESTORE_REDIS_CERT_FILE and FILESTORE_REDIS_KEY_FILE go together: set both or none")]
    HalfACertificate,
    /// A file cannot be read.
    #[error("{setting}: {} cannot be read", path.display())]
    File {
        /// Which setting names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file holds no certificate, or no key.
    #[error("{setting}: {} must hold a {what} in PEM", path.display())]
    NotPem {
        /// Which setting names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What is to be in it.
        what: &'static str,
    },
    /// The files do not fit, or the URL.
    #[error("FILESTORE_REDIS_URL and its files cannot be used together")]
    Unusable(#[source] RedisError),
}

/// Why a session with Redis ended, or was not had.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The user or the password is wrong.
    #[error(
        "Redis at {0} refuses the user or the password of FILESTORE_REDIS_URL; special characters \
         of either are written as %XX: `@` as %40, `:` as %3A, `/` as %2F, `%` as %25"
    )]
    Credentials(String),
    /// There is no password, and it takes one.
    #[error(
        "Redis at {0} wants a password (NOAUTH): write it into FILESTORE_REDIS_URL, as \
         redis://USER:PASSWORD@HOST:PORT"
    )]
    NoCredentials(String),
    /// The user may not do this.
    #[error(
        "the Redis user `{user}` of FILESTORE_REDIS_URL may not {doing} (NOPERM); allow it \
         with `{remedy}`"
    )]
    NotAllowed {
        /// The user; `default` where the URL names none.
        user: String,
        /// What it may not do.
        doing: String,
        /// The command that lets it.
        remedy: String,
        /// What Redis says.
        #[source]
        source: RedisError,
    },
    /// The URL names a database that is not there.
    #[error(
        "Redis at {0} has no database of that number: correct the end of FILESTORE_REDIS_URL, or \
         leave it out (a channel is the same in every database)"
    )]
    NoDatabase(String),
    /// TLS on one side only, or with another certificate.
    #[error("no TLS with Redis at {server}: {hint}")]
    Tls {
        /// The server.
        server: String,
        /// What may be wrong.
        hint: &'static str,
        /// What was seen.
        #[source]
        source: RedisError,
    },
    /// Redis cannot be reached, or the connection broke.
    #[error("Redis at {server} cannot be reached, or has closed the connection{hint}")]
    Unreachable {
        /// The server.
        server: String,
        /// What may be wrong.
        hint: &'static str,
        /// Why.
        #[source]
        source: RedisError,
    },
    /// Redis refused for another reason.
    #[error("Redis at {server} refuses")]
    Refused {
        /// The server.
        server: String,
        /// Why.
        #[source]
        source: RedisError,
    },
    /// Connecting or sending took too long.
    #[error("Redis at {server} did not answer within {after:?}{hint}")]
    Timeout {
        /// The server.
        server: String,
        /// How long it was waited for.
        after: Duration,
        /// What may be wrong.
        hint: &'static str,
    },
    /// The subscription ended.
    #[error("Redis closed the subscription")]
    Closed,
    /// No heartbeat came back.
    #[error("no heartbeat has come back for {0:?}")]
    Silent(Duration),
}

/// What is asked of Redis, for the words of a refusal.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asked<'a> {
    Connect,
    Subscribe(&'a str),
    Publish(&'a str),
}

impl Server {
    /// The server of this URL. Nothing is connected yet.
    ///
    /// # Errors
    /// A file of the TLS settings cannot be used.
    pub fn open(url: &RedisUrl, tls: &TlsFiles) -> Result<Self, OpenError> {
        let client = Client::open(url.expose()).map_err(OpenError::Unusable)?;
        let is_tls = matches!(
            client.get_connection_info().addr(),
            ConnectionAddr::TcpTls { .. }
        );
        let client = match (is_tls, *tls == TlsFiles::default()) {
            (false, true) => client,
            (false, false) => return Err(OpenError::NotTls),
            (true, _) => with_tls(&client, tls)?,
        };
        Ok(Self {
            client,
            shown: url.to_string(),
        })
    }

    pub(crate) async fn subscriber(&self, timeout: Duration) -> Result<PubSub, SessionError> {
        self.within(timeout, Asked::Connect, self.client.get_async_pubsub())
            .await
    }

    pub(crate) async fn connection(
        &self,
        timeout: Duration,
    ) -> Result<MultiplexedConnection, SessionError> {
        let connection = self.client.get_multiplexed_async_connection();
        self.within(timeout, Asked::Connect, connection).await
    }

    pub(crate) async fn within<T>(
        &self,
        timeout: Duration,
        asked: Asked<'_>,
        future: impl Future<Output = RedisResult<T>>,
    ) -> Result<T, SessionError> {
        match tokio::time::timeout(timeout, future).await {
            Ok(result) => result.map_err(|error| self.explain(error, asked)),
            Err(_) => Err(SessionError::Timeout {
                server: self.shown.clone(),
                after: timeout,
                hint: match (asked, self.is_tls()) {
                    // Redis waits for the end of what to it is a line.
                    (Asked::Connect, true) => {
                        "; if it speaks no TLS on this port, begin FILESTORE_REDIS_URL with redis://"
                    }
                    _ => "",
                },
            }),
        }
    }

    /// What an error means for whoever set the server up.
    pub(crate) fn explain(&self, error: RedisError, asked: Asked<'_>) -> SessionError {
        let server = self.shown.clone();
        let is_noauth = |error: &RedisError| {
            error.code() == Some("NOAUTH")
                || error
                    .detail()
                    .is_some_and(|detail| detail.contains("Authentication required"))
        };
        match error.kind() {
            ErrorKind::AuthenticationFailed => SessionError::Credentials(server),
            _ if is_noauth(&error) => SessionError::NoCredentials(server),
            ErrorKind::Server(ServerErrorKind::NoPerm) => self.not_allowed(error, asked),
            _ if mentions(&error, "DB index") => SessionError::NoDatabase(server),
            // The library tells a refused SELECT without its code.
            _ if mentions(&error, "no permissions") => self.not_allowed(error, asked),
            ErrorKind::Io if self.is_tls() && !error.is_connection_refusal() => SessionError::Tls {
                server,
                hint: "does it speak TLS on this port, is its certificate for this host name, and \
                       is its authority known (FILESTORE_REDIS_CA_FILE)?",
                source: error,
            },
            ErrorKind::Parse => SessionError::Tls {
                server,
                hint: "the answer is not Redis; if the server speaks TLS on this port, begin \
                       FILESTORE_REDIS_URL with rediss://",
                source: error,
            },
            _ if error.is_io_error() || error.is_connection_dropped() => {
                SessionError::Unreachable {
                    server,
                    hint: match asked {
                        Asked::Connect if error.is_connection_dropped() => {
                            "; if it speaks TLS on this port, begin FILESTORE_REDIS_URL with rediss://"
                        }
                        _ => "",
                    },
                    source: error,
                }
            }
            _ => SessionError::Refused {
                server,
                source: error,
            },
        }
    }

    fn is_tls(&self) -> bool {
        let info = self.client.get_connection_info();
        matches!(info.addr(), ConnectionAddr::TcpTls { .. })
    }

    fn not_allowed(&self, source: RedisError, asked: Asked<'_>) -> SessionError {
        let settings = self.client.get_connection_info().redis_settings();
        let user = settings.username().unwrap_or("default").to_owned();
        let (doing, rights) = match asked {
            Asked::Connect => (
                "select a database or send PING".to_owned(),
                "+select +ping".to_owned(),
            ),
            Asked::Subscribe(channel) => (
                format!("subscribe to the channel `{channel}`"),
                format!("+subscribe &{}", pattern(channel)),
            ),
            Asked::Publish(channel) => (
                format!("publish on the channel `{channel}`"),
                format!("+publish &{}", pattern(channel)),
            ),
        };
        SessionError::NotAllowed {
            remedy: format!("ACL SETUSER {user} {rights}"),
            user,
            doing,
            source,
        }
    }
}

/// The pattern of an ACL that allows this channel, and no narrower than needed: a heartbeat's
/// channel has another end in each process.
fn pattern(channel: &str) -> String {
    match channel.split_once(super::HEARTBEAT) {
        Some((events, _)) => format!("{events}{}*", super::HEARTBEAT),
        None => channel.to_owned(),
    }
}

fn mentions(error: &RedisError, text: &str) -> bool {
    error.detail().is_some_and(|detail| detail.contains(text))
}

fn with_tls(client: &Client, files: &TlsFiles) -> Result<Client, OpenError> {
    // The first that is installed stays, whoever asks.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client_tls = match (&files.cert, &files.key) {
        (None, None) => None,
        (Some(cert), Some(key)) => Some(ClientTlsConfig {
            client_cert: pem("FILESTORE_REDIS_CERT_FILE", cert, "CERTIFICATE")?,
            client_key: pem("FILESTORE_REDIS_KEY_FILE", key, "PRIVATE KEY")?,
        }),
        _ => return Err(OpenError::HalfACertificate),
    };
    let root_cert = files.ca.as_deref();
    let certificates = TlsCertificates {
        client_tls,
        root_cert: root_cert
            .map(|path| pem("FILESTORE_REDIS_CA_FILE", path, "CERTIFICATE"))
            .transpose()?,
    };
    let info = client.get_connection_info().clone();
    Client::build_with_tls(info, certificates).map_err(OpenError::Unusable)
}

/// A file that holds at least one such thing.
fn pem(setting: &'static str, path: &Path, what: &'static str) -> Result<Vec<u8>, OpenError> {
    let path_buf = || path.to_owned();
    let bytes = std::fs::read(path).map_err(|source| OpenError::File {
        setting,
        path: path_buf(),
        source,
    })?;
    let text = String::from_utf8_lossy(&bytes);
    let is_its_begin = |line: &str| line.starts_with("-----BEGIN ") && line.contains(what);
    if !text.lines().any(is_its_begin) {
        return Err(OpenError::NotPem {
            setting,
            path: path_buf(),
            what,
        });
    }
    Ok(bytes)
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Server").field(&self.shown).finish()
    }
}
