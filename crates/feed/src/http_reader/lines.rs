//! The lines of an answer.

use super::frames::{self, Frames};
use super::unavailable;
use bytes::{Buf, Bytes, BytesMut};
use journal::{ReadError, SnapshotNode};
use reqwest::Response;
use reqwest::header::CONTENT_ENCODING;
use tokio::runtime::Handle;

/// The longest line.
const LINE_BYTES: usize = 64 << 20;

/// The lines of an answer; its body is never in memory as a whole.
pub(super) struct Lines {
    response: Response,
    runtime: Handle,
    /// Of a body that is compressed.
    frames: Option<Frames>,
    buffer: BytesMut,
    has_ended: bool,
}

impl Lines {
    /// # Errors
    /// The body is in an encoding that nobody asked for.
    pub(super) fn of(response: Response, runtime: Handle) -> Result<Self, ReadError> {
        let frames = match response.headers().get(CONTENT_ENCODING) {
            None => None,
            Some(encoding) if encoding == frames::ENCODING => Some(Frames::new()?),
            Some(encoding) => {
                let text = format!("the answer is encoded as {encoding:?}, which nobody asked for");
                return Err(ReadError::Unavailable(text.into()));
            }
        };
        Ok(Self {
            response,
            runtime,
            frames,
            buffer: BytesMut::new(),
            has_ended: false,
        })
    }

    pub(super) fn next_line(&mut self) -> Result<Option<Bytes>, ReadError> {
        loop {
            if let Some(at) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(at).freeze();
                self.buffer.advance(1);
                if !line.is_empty() {
                    return Ok(Some(line));
                }
                continue;
            }
            if self.has_ended {
                // A body that was cut short has no newline at its end.
                return if self.buffer.is_empty() {
                    Ok(None)
                } else {
                    Err(ReadError::Unavailable(
                        "the answer ended within a line".into(),
                    ))
                };
            }
            if self.buffer.len() > LINE_BYTES {
                return Err(ReadError::Damaged(format!(
                    "a line of the answer is longer than {LINE_BYTES} bytes"
                )));
            }
            self.fill()?;
        }
    }

    /// Adds the next piece of the body to the buffer.
    fn fill(&mut self) -> Result<(), ReadError> {
        if let Some(frames) = &mut self.frames
            && frames.decode(&mut self.buffer)?
        {
            return Ok(());
        }
        let chunk = self.runtime.block_on(self.response.chunk());
        match (chunk.map_err(unavailable)?, &mut self.frames) {
            (Some(chunk), Some(frames)) => frames.push(chunk),
            (Some(chunk), None) => self.buffer.extend_from_slice(&chunk),
            (None, frames) => {
                frames.as_ref().map_or(Ok(()), Frames::finish)?;
                self.has_ended = true;
            }
        }
        Ok(())
    }
}

impl Iterator for Lines {
    type Item = Result<SnapshotNode, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let line = match self.next_line() {
            Ok(line) => line?,
            Err(error) => {
                (self.has_ended, self.buffer) = (true, BytesMut::new());
                return Some(Err(error));
            }
        };
        Some(serde_json::from_slice(&line).map_err(|error| {
            ReadError::Damaged(format!("a line of the snapshot is not a node: {error}"))
        }))
    }
}
