//! The lines of a streamed answer, one in memory at a time.

use crate::client::Error;
use crate::client::Service;
use reqwest::blocking::Response;
use std::io::{BufRead, BufReader, Read as _};

/// The longest line that is taken: an entry holds one node's state, so this is far beyond any.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// Reads the lines of an answer.
pub(crate) struct Lines {
    service: Service,
    body: BufReader<Response>,
    line: Vec<u8>,
}

impl Lines {
    pub(crate) fn new(service: &Service, response: Response) -> Self {
        let body = BufReader::with_capacity(1 << 16, response);
        Self {
            service: service.clone(),
            body,
            line: Vec::new(),
        }
    }

    /// The next line that is not empty, without its end; `None` at the end of the answer. An
    /// answer that was cut off is an error, never a short list.
    pub(crate) fn next_line(&mut self) -> Result<Option<&[u8]>, Error> {
        loop {
            self.line.clear();
            let mut limited = (&mut self.body).take(LINE_BYTES_MAX);
            limited
                .read_until(b'\n', &mut self.line)
                .map_err(|error| self.service.garbled(format!("it was cut off: {error}")))?;
            if self.line.is_empty() {
                return Ok(None);
            }
            if self.line.pop() != Some(b'\n') {
                return Err(self.service.garbled("it ends within a line"));
            }
            if !self.line.is_empty() {
                return Ok(Some(&self.line));
            }
        }
    }
}
