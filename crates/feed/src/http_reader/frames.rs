//! A body that is compressed with Zstandard (RFC 8878), decoded a bounded piece at a time.

use bytes::{Buf, Bytes, BytesMut};
use journal::ReadError;
use std::io;
use zstd::stream::raw::{DParameter, Decoder, Operation as _};

/// Its name as a content coding.
pub(super) const ENCODING: &str = "zstd";

/// The window may have 8 MiB at most, as RFC 9659 has it for HTTP.
const WINDOW_LOG_MAX: u32 = 23;

/// What is decoded at a time, however little it was compressed to.
const PIECE_BYTES: usize = 64 * 1024;

/// The frames of a body.
pub(super) struct Frames {
    decoder: Decoder<'static>,
    /// What has come and is not decoded yet.
    chunk: Bytes,
    piece: Vec<u8>,
    /// The decoder may have more of what it was given.
    has_more: bool,
    is_within: bool,
}

impl Frames {
    /// # Errors
    /// There is no memory for a decoder.
    pub(super) fn new() -> Result<Self, ReadError> {
        let mut decoder = Decoder::new().map_err(broken)?;
        let window = DParameter::WindowLogMax(WINDOW_LOG_MAX);
        decoder.set_parameter(window).map_err(broken)?;
        Ok(Self {
            decoder,
            chunk: Bytes::new(),
            piece: vec![0; PIECE_BYTES],
            has_more: false,
            is_within: false,
        })
    }

    /// What comes next of the body, once [`Frames::decode`] has nothing more to give.
    pub(super) fn push(&mut self, chunk: Bytes) {
        self.chunk = chunk;
    }

    /// Adds a piece to `text`. No, if more of the body must come first.
    ///
    /// # Errors
    /// It is not Zstandard, or wants a larger window.
    pub(super) fn decode(&mut self, text: &mut BytesMut) -> Result<bool, ReadError> {
        if self.chunk.is_empty() && !self.has_more {
            return Ok(false);
        }
        let decoded = self.decoder.run_on_buffers(&self.chunk, &mut self.piece);
        let decoded = decoded.map_err(broken)?;
        self.chunk.advance(decoded.bytes_read);
        self.is_within = decoded.remaining > 0;
        self.has_more = self.is_within && decoded.bytes_written == self.piece.len();
        let (piece, _) = self.piece.split_at(decoded.bytes_written);
        text.extend_from_slice(piece);
        Ok(true)
    }

    /// # Errors
    /// The body ended within a frame.
    pub(super) fn finish(&self) -> Result<(), ReadError> {
        if self.is_within {
            let text = "the compressed answer ended before its end";
            return Err(ReadError::Unavailable(text.into()));
        }
        Ok(())
    }
}

fn broken(error: io::Error) -> ReadError {
    ReadError::Unavailable(format!("the answer cannot be decompressed: {error}").into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use zstd::stream::write::Encoder;

    /// What a body of such chunks decodes to.
    fn decoded<'b>(chunks: impl IntoIterator<Item = &'b [u8]>) -> Result<BytesMut, ReadError> {
        let (mut frames, mut text) = (Frames::new()?, BytesMut::new());
        for chunk in chunks {
            frames.push(Bytes::copy_from_slice(chunk));
            loop {
                let before = text.len();
                if !frames.decode(&mut text)? {
                    break;
                }
                assert!(text.len() - before <= PIECE_BYTES);
            }
        }
        frames.finish()?;
        Ok(text)
    }

    fn said(error: &ReadError) -> String {
        process::Chain(error).to_string()
    }

    #[test]
    fn a_body_is_what_was_written_however_it_is_cut() {
        let text: Vec<u8> = (0..200_000_u32)
            .flat_map(|n| (n * 7).to_le_bytes())
            .collect();
        let (first, second) = text.split_at(300_000);
        let mut body = zstd::encode_all(first, 1).unwrap();
        body.extend(zstd::encode_all(second, 1).unwrap());
        for size in [1, 1_000, body.len()] {
            assert_eq!(decoded(body.chunks(size)).unwrap(), text, "{size}");
        }
        assert_eq!(decoded([]).unwrap(), b"".as_slice());
    }

    #[test]
    fn a_body_that_is_cut_off_or_no_frame_is_an_error() {
        let body = zstd::encode_all(vec![b'a'; 100_000].as_slice(), 1).unwrap();
        for kept in [1, body.len() / 2, body.len() - 1] {
            let error = decoded([body.split_at(kept).0]).unwrap_err();
            assert!(said(&error).contains("ended before its end"), "{error}");
        }
        let error = decoded([b"{\"journalId\":1}\n".as_slice()]).unwrap_err();
        assert!(said(&error).contains("cannot be decompressed"), "{error}");
    }

    #[test]
    fn little_that_becomes_much_comes_in_bounded_pieces_and_a_large_window_is_refused() {
        let mut encoder = Encoder::new(Vec::new(), 1).unwrap();
        encoder.write_all(&vec![0; 100 << 20]).unwrap();
        let bomb = encoder.finish().unwrap();
        assert!(bomb.len() < 100_000);
        assert_eq!(decoded([bomb.as_slice()]).unwrap().len(), 100 << 20);

        let mut encoder = Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(WINDOW_LOG_MAX + 1).unwrap();
        encoder.write_all(&vec![0; 100 << 20]).unwrap();
        let error = decoded([encoder.finish().unwrap().as_slice()]).unwrap_err();
        assert!(said(&error).contains("cannot be decompressed"), "{error}");
    }
}
