//! Text that is written once all of it is there, kept compressed meanwhile: what a report says of one finding it says of
//! the next, almost.

use std::fmt;
use std::io::{self, Write};

/// Bytes that are compressed together.
// Own bound: a window of deflate is 32 KiB, so more at a time packs no better.
const CHUNK: usize = 256 << 10;
/// The fastest that compresses at all.
const LEVEL: u8 = 1;

/// The text so far.
#[derive(Debug, Default)]
pub(super) struct Packed {
    chunks: Vec<Box<[u8]>>,
    /// What is not compressed yet.
    open: String,
}

impl Packed {
    /// Writes all of it.
    pub(super) fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        for chunk in &self.chunks {
            let text = miniz_oxide::inflate::decompress_to_vec(chunk);
            out.write_all(&text.map_err(|error| io::Error::other(error.to_string()))?)?;
        }
        out.write_all(self.open.as_bytes())
    }
}

impl fmt::Write for Packed {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.open.push_str(text);
        if self.open.len() >= CHUNK {
            let packed = miniz_oxide::deflate::compress_to_vec(self.open.as_bytes(), LEVEL);
            self.chunks.push(packed.into_boxed_slice());
            self.open.clear();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    #[test]
    fn all_of_it_comes_out_and_little_is_held() {
        let (mut packed, mut plain) = (Packed::default(), String::new());
        for n in 0..50_000 {
            let line = format!("<testcase classname=\"files.added\" name=\"/ä/{n}\"/>\n");
            packed.write_str(&line).expect("held");
            plain.push_str(&line);
        }
        let mut out = Vec::new();
        packed.write_to(&mut out).expect("written");
        assert!(out == plain.as_bytes());
        let held: usize = packed.chunks.iter().map(|chunk| chunk.len()).sum();
        assert!(held * 5 < plain.len(), "{held} of {}", plain.len());
        assert!(packed.open.capacity() <= 2 * CHUNK);
    }
}
