//! The journal read over HTTP, for consumers that run apart from filestore.
//!
//! Answers are read a line at a time, so that what is in memory is the entries and not their JSON
//! as well. Filestore bounds the bytes of a page; this reader does not rely on it. They come compressed
//! where the server can (`Accept-Encoding: zstd`).

mod frames;
mod lines;

use journal::{
    Digest, Entry, Envelope, Epoch, JournalId, JournalReader, Page, Position, ReadError, Snapshot,
};
use lines::Lines;
use reqwest::header::{ACCEPT_ENCODING, HeaderMap};
use reqwest::{Response, StatusCode};
use std::str::FromStr;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

/// How long the server may take to answer, beyond what it was asked to wait.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Lines of one page, in bytes: what comes after them is asked for again.
const PAGE_BYTES: usize = 32 << 20;

/// Reads `GET /v1/journal` and `GET /v1/snapshot` of a filestore. Its blocking methods run the
/// requests on the runtime it was made with, so they must not be called from that runtime's own
/// tasks.
#[derive(Clone, Debug)]
pub struct HttpJournalReader {
    base: String,
    token: Option<String>,
    /// The name under which filestore knows this reader, and keeps the journal for it.
    consumer: Option<String>,
    client: reqwest::Client,
    runtime: Handle,
    /// Ends what waits for an answer.
    stop: CancellationToken,
}

impl HttpJournalReader {
    /// A reader of the filestore at `base`, for example `http://127.0.0.1:4200`, with a bearer
    /// token if it wants one.
    ///
    /// # Errors
    /// The HTTP client cannot be set up.
    pub fn new(base: &str, token: Option<String>, runtime: Handle) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            // A snapshot has no bound in time as a whole, so a connection that stands and says
            // nothing must be noticed between two pieces.
            .read_timeout(TIMEOUT)
            .build()?;
        Ok(Self {
            base: base.trim_end_matches('/').to_owned(),
            token,
            consumer: None,
            client,
            runtime,
            stop: CancellationToken::new(),
        })
    }

    /// The same reader, that tells filestore on whose behalf it reads: retention then keeps what
    /// that consumer has not read yet.
    #[must_use]
    pub fn on_behalf_of(&self, consumer: &str) -> Self {
        Self {
            consumer: Some(consumer.to_owned()),
            ..self.clone()
        }
    }

    /// The same reader, whose waits for the head end when `stop` is cancelled.
    #[must_use]
    pub fn until(&self, stop: CancellationToken) -> Self {
        Self {
            stop,
            ..self.clone()
        }
    }

    async fn get(
        &self,
        path: &str,
        query: &[(&str, u64)],
        timeout: Option<Duration>,
    ) -> Result<Response, ReadError> {
        let mut request = self
            .client
            .get(format!("{}{path}", self.base))
            .query(query)
            .header(ACCEPT_ENCODING, frames::ENCODING);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(consumer) = &self.consumer {
            request = request.query(&[("consumer", consumer)]);
        }
        if let Some(timeout) = timeout {
            request = request.timeout(timeout);
        }
        request.send().await.map_err(unavailable)
    }

    async fn journal(
        &self,
        after: JournalId,
        limit: usize,
        wait: Duration,
    ) -> Result<Response, ReadError> {
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let query = [
            ("after", after.get()),
            ("limit", limit as u64),
            ("waitMs", wait_ms),
        ];
        let response = self
            .get("/v1/journal", &query, Some(wait + TIMEOUT))
            .await?;
        if response.status() == StatusCode::GONE {
            let trimmed = header(response.headers(), "tidemark-trimmed")?;
            return Err(ReadError::Trimmed { after, trimmed });
        }
        self.accepted(response).await
    }

    /// The answer, if it is one; else what the server said.
    async fn accepted(&self, mut response: Response) -> Result<Response, ReadError> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let said = response
            .chunk()
            .await
            .map_err(unavailable)?
            .unwrap_or_default();
        let text: String = String::from_utf8_lossy(&said).chars().take(500).collect();
        Err(ReadError::Unavailable(
            format!("{} answered {status}: {text}", self.base).into(),
        ))
    }

    fn lines(&self, response: Response) -> Result<Lines, ReadError> {
        Lines::of(response, self.runtime.clone())
    }

    fn position_of(headers: &HeaderMap) -> Result<Position, ReadError> {
        Ok(Position {
            epoch: header(headers, "tidemark-epoch")?,
            head: header(headers, "tidemark-head")?,
            trimmed: header(headers, "tidemark-trimmed")?,
        })
    }
}

impl JournalReader for HttpJournalReader {
    fn position(&self) -> Result<Position, ReadError> {
        let read = self.journal(JournalId::ZERO, 0, Duration::ZERO);
        Self::position_of(self.runtime.block_on(read)?.headers())
    }

    fn read(&self, after: JournalId, limit: usize) -> Result<Page, ReadError> {
        let response = self
            .runtime
            .block_on(self.journal(after, limit, Duration::ZERO))?;
        let headers = response.headers();
        let position = Self::position_of(headers)?;
        let after_digest = match headers.contains_key("tidemark-after-digest") {
            true => Some(header::<Digest>(headers, "tidemark-after-digest")?),
            false => None,
        };
        let (mut entries, mut bytes) = (Vec::new(), 0);
        let mut lines = self.lines(response)?;
        while bytes < PAGE_BYTES
            && let Some(line) = lines.next_line()?
        {
            bytes += line.len();
            entries.push(entry(&line, position.epoch)?);
        }
        Ok(Page {
            position,
            after_digest,
            entries,
        })
    }

    fn wait(&self, after: JournalId, timeout: Duration) -> Result<Position, ReadError> {
        let answer = self
            .stop
            .run_until_cancelled(self.journal(after, 0, timeout));
        let stopping = || ReadError::Unavailable("the wait was ended".into());
        let response = self.runtime.block_on(answer).ok_or_else(stopping)??;
        Self::position_of(response.headers())
    }

    fn snapshot(&self) -> Result<Snapshot<'_>, ReadError> {
        let response = self.runtime.block_on(async {
            let response = self.get("/v1/snapshot", &[], None).await?;
            self.accepted(response).await
        })?;
        let headers = response.headers();
        Ok(Snapshot {
            epoch: header::<Epoch>(headers, "tidemark-epoch")?,
            journal_id: header(headers, "tidemark-journal-id")?,
            digest: header(headers, "tidemark-digest")?,
            nodes: Box::new(self.lines(response)?),
        })
    }
}

fn entry(line: &[u8], epoch: Epoch) -> Result<Entry, ReadError> {
    let envelope: Envelope<'_> = serde_json::from_slice(line).map_err(|error| {
        // A line that was cut short on its way is whole when it is read again.
        if error.is_eof() {
            ReadError::Unavailable(Box::new(error))
        } else {
            ReadError::Damaged(format!("a line is not an envelope: {error}"))
        }
    })?;
    let (id, found) = (envelope.journal_id, envelope.epoch);
    if found != epoch {
        return Err(ReadError::Damaged(format!(
            "entry {id} is of journal {found}, not {epoch}"
        )));
    }
    envelope
        .into_entry()
        .ok_or_else(|| ReadError::Damaged(format!("entry {id} has no digest")))
}

fn header<T: FromStr>(headers: &HeaderMap, name: &str) -> Result<T, ReadError> {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| {
            let text =
                format!("the server's answer has no valid {name} header; is it a filestore?");
            ReadError::Unavailable(text.into())
        })
}

fn unavailable(error: reqwest::Error) -> ReadError {
    ReadError::Unavailable(Box::new(error))
}
