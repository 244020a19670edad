//! Digests of file contents.
//!
//! What a scan reads goes through the lanes of [`sha256_lanes`], several files in lock step; [`of_stream`] is for one
//! stream, of either algorithm.

pub use sha256_lanes::{
    Hash, Md5, Order, Path, Sha256, Stream, StreamOf, digest_many, finish_many, update_many,
};

use agent_core::attributes::{Algorithm, Digest};
use sha2::Digest as _;
use std::io;

/// A digest that files are compared by.
pub trait Kind: Hash {
    /// The value as findings and records have it.
    fn value(digest: Self::Digest) -> Digest;
}

impl Kind for Sha256 {
    fn value(digest: [u8; 32]) -> Digest {
        Digest::Sha256(digest)
    }
}

impl Kind for Md5 {
    fn value(digest: [u8; 16]) -> Digest {
        Digest::Md5(digest)
    }
}

/// Reads to the end through `read` and returns the digest with the number of bytes it covers.
///
/// `buffer` is scratch space. An error, also after part of the contents, yields no digest.
pub fn of_stream(
    algorithm: Algorithm,
    buffer: &mut [u8],
    mut read: impl FnMut(&mut [u8]) -> io::Result<usize>,
) -> io::Result<(Digest, u64)> {
    let mut length = 0;
    let mut each = |update: &mut dyn FnMut(&[u8])| -> io::Result<()> {
        loop {
            match read(buffer) {
                Ok(0) => return Ok(()),
                Ok(n) => {
                    update(&buffer[..n]);
                    length += n as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    };
    let digest = match algorithm {
        Algorithm::Sha256 => {
            let mut hasher = sha2::Sha256::new();
            each(&mut |bytes| hasher.update(bytes))?;
            Digest::Sha256(hasher.finalize().into())
        }
        Algorithm::Md5 => {
            let mut hasher = md5::Md5::new();
            each(&mut |bytes| hasher.update(bytes))?;
            Digest::Md5(hasher.finalize().into())
        }
    };
    Ok((digest, length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent_core::escape::hex;

    fn of(algorithm: Algorithm, bytes: &[u8], step: usize) -> io::Result<(String, u64)> {
        let mut rest = bytes;
        let (digest, length) = of_stream(algorithm, &mut vec![0; step], |buffer| {
            io::Read::read(&mut rest, buffer)
        })?;
        Ok((hex(digest.bytes()), length))
    }

    #[test]
    fn known_answers() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(
            of(Algorithm::Sha256, b"abc", 2).expect("read"),
            (abc.into(), 3)
        );
        let abc = "900150983cd24fb0d6963f7d28e17f72";
        assert_eq!(
            of(Algorithm::Md5, b"abc", 64).expect("read"),
            (abc.into(), 3)
        );
    }

    #[test]
    fn an_error_part_way_yields_no_digest() {
        let mut first = true;
        let result = of_stream(Algorithm::Sha256, &mut [0; 4], |buffer| {
            if std::mem::take(&mut first) {
                buffer.fill(1);
                return Ok(buffer.len());
            }
            Err(io::Error::other("bad sector"))
        });
        assert!(result.is_err());
    }
}
