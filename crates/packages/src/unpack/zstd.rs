//! zstd (RFC 8878).

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use std::io::{self, BufRead, Read};

/// What is unpacked at a time.
const PIECE: usize = 256 * 1024;

/// The text of a zstd file, all of its frames, one after the other. A file that ends within one, or that has none, is an
/// error, as is a window above 100 MiB, which the decoder refuses.
pub fn zstd(source: impl BufRead) -> impl Read {
    Zstd {
        source,
        begun: false,
        frame: None,
    }
}

struct Zstd<R> {
    source: R,
    begun: bool,
    frame: Option<Box<FrameDecoder>>,
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bad = |error: FrameDecoderError| io::Error::other(format!("zstd: {error}"));
        loop {
            let frame = match &mut self.frame {
                Some(frame) if frame.can_collect() > 0 || !frame.is_finished() => frame,
                frame => {
                    if self.begun && self.source.fill_buf()?.is_empty() {
                        return Ok(0);
                    }
                    let frame = frame.get_or_insert_with(|| Box::new(FrameDecoder::new()));
                    let begun = frame.reset(&mut self.source);
                    self.begun = true;
                    match begun {
                        // Skippable frames hold whatever somebody else put there.
                        Err(FrameDecoderError::ReadFrameHeaderError(
                            ReadFrameHeaderError::SkipFrame { length, .. },
                        )) => {
                            let skipped = self.source.by_ref().take(length.into());
                            if io::copy(&mut { skipped }, &mut io::sink())? < length.into() {
                                return Err(io::ErrorKind::UnexpectedEof.into());
                            }
                            self.frame = None;
                            continue;
                        }
                        other => other.map_err(bad)?,
                    }
                    frame
                }
            };
            if frame.can_collect() == 0 && !frame.is_finished() {
                frame
                    .decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBytes(PIECE))
                    .map_err(bad)?;
            }
            let read = frame.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
        }
    }
}
