//! Digests of file contents.
//!
//! What a scan reads goes through the lanes of [`sha256_lanes`], several files in lock step; [`of_stream`] is for one
//! stream, of any algorithm.

pub use sha256_lanes::{
    Hash, Md5, Order, Path, Sha256, Stream, StreamOf, digest_many, finish_many, update_many,
};

use agent_core::attributes::{Algorithm, Digest};
use sha1::Sha1;
use sha2::digest::Output;
use sha2::{Sha224, Sha384, Sha512};
use sha3::{Sha3_256, Sha3_512};
use std::io;

/// A digest that files are compared by.
pub trait DigestKind: Hash {
    /// The value as findings and records have it.
    fn value(digest: Self::Digest) -> Digest;
}

impl DigestKind for Sha256 {
    fn value(digest: [u8; 32]) -> Digest {
        Digest::Sha256(digest)
    }
}

impl DigestKind for Md5 {
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
    Ok(match algorithm {
        Algorithm::Sha256 => {
            let (digest, length) = hashed::<sha2::Sha256>(buffer, &mut read)?;
            (Digest::Sha256(digest.into()), length)
        }
        Algorithm::Md5 => {
            let (digest, length) = hashed::<md5::Md5>(buffer, &mut read)?;
            (Digest::Md5(digest.into()), length)
        }
        Algorithm::Sha1 => {
            let (digest, length) = hashed::<Sha1>(buffer, &mut read)?;
            (Digest::Sha1(digest.into()), length)
        }
        Algorithm::Sha224 => {
            let (digest, length) = hashed::<Sha224>(buffer, &mut read)?;
            (Digest::Sha224(digest.into()), length)
        }
        Algorithm::Sha384 => {
            let (digest, length) = hashed::<Sha384>(buffer, &mut read)?;
            (Digest::Sha384(digest.into()), length)
        }
        Algorithm::Sha512 => {
            let (digest, length) = hashed::<Sha512>(buffer, &mut read)?;
            (Digest::Sha512(digest.into()), length)
        }
        Algorithm::Sha3_256 => {
            let (digest, length) = hashed::<Sha3_256>(buffer, &mut read)?;
            (Digest::Sha3_256(digest.into()), length)
        }
        Algorithm::Sha3_512 => {
            let (digest, length) = hashed::<Sha3_512>(buffer, &mut read)?;
            (Digest::Sha3_512(digest.into()), length)
        }
    })
}

fn hashed<H: sha2::Digest>(
    buffer: &mut [u8],
    read: &mut impl FnMut(&mut [u8]) -> io::Result<usize>,
) -> io::Result<(Output<H>, u64)> {
    let mut hasher = H::new();
    let mut length = 0;
    loop {
        match read(buffer) {
            Ok(0) => return Ok((hasher.finalize(), length)),
            Ok(n) => {
                hasher.update(&buffer[..n]);
                length += n as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
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
        for (algorithm, abc) in [
            (Algorithm::Md5, "900150983cd24fb0d6963f7d28e17f72"),
            (Algorithm::Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (
                Algorithm::Sha224,
                "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7",
            ),
            (
                Algorithm::Sha384,
                "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
            ),
            (
                Algorithm::Sha512,
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            ),
            (
                Algorithm::Sha3_256,
                "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532",
            ),
            (
                Algorithm::Sha3_512,
                "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e10e116e9192af3c91a7ec57647e3934057340b4cf408d5a56592f8274eec53f0",
            ),
        ] {
            let found = of(algorithm, b"abc", 64).expect("read");
            assert_eq!(found, (abc.into(), 3), "{algorithm:?}");
        }
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
