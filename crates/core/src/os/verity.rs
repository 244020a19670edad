//! fs-verity: whether a file is sealed by its file system, and how (Documentation/filesystems/fsverity.rst of Linux).
//!
//! A seal can be lost (the file is replaced by a copy), never taken off. A digest says that no reader gets other
//! bytes: some may get an error.

use crate::escape;
use rustix::ioctl::{self, Opcode, Updater};
use std::os::fd::BorrowedFd;

/// `FS_VERITY_FL` of linux/fs.h: lsattr(1) shows it as `V`.
pub(super) const SEALED: u32 = 0x0010_0000;
/// `FS_IOC_MEASURE_VERITY`: `_IOWR('f', 134, struct fsverity_digest)`.
const MEASURE: Opcode = 0xc004_6686;
/// `FS_IOC_READ_VERITY_METADATA`: `_IOWR('f', 135, struct fsverity_read_metadata_arg)`; since Linux 5.12.
const READ_METADATA: Opcode = 0xc028_6687;
/// `FS_VERITY_METADATA_TYPE_DESCRIPTOR`.
const DESCRIPTOR: u64 = 2;
/// Bytes of `struct fsverity_descriptor`.
const DESCRIPTOR_SIZE: usize = 256;
/// Bytes of the longest digest, of SHA-512.
// Own bound: the kernel's.
const LONGEST: usize = 64;

/// `struct fsverity_digest`.
#[repr(C)]
struct Digest {
    algorithm: u16,
    /// Of the room for it, then of the digest.
    size: u16,
    bytes: [u8; LONGEST],
}

/// `struct fsverity_read_metadata_arg`.
#[repr(C)]
struct Metadata {
    kind: u64,
    offset: u64,
    length: u64,
    buffer: u64,
    reserved: u64,
}

/// How an open file is sealed that is: `ALGORITHM:BLOCK:SALT:DIGEST`, each in hexadecimal but the first two, or `sealed` where the
/// file system says that it is and no more (overlayfs).
pub fn seal(file: BorrowedFd<'_>) -> Box<str> {
    let mut digest = Digest {
        algorithm: 0,
        // It fits.
        size: 64,
        bytes: [0; LONGEST],
    };
    // SAFETY: the opcode takes a struct fsverity_digest with as much room behind it as its size says.
    let measured = unsafe { ioctl::ioctl(file, Updater::<MEASURE, Digest>::new(&mut digest)) };
    let told = match measured {
        Ok(()) => digest.bytes.get(..usize::from(digest.size)),
        Err(_) => None,
    };
    let Some(told) = told else {
        return "sealed".into();
    };
    let algorithm = match digest.algorithm {
        1 => "sha256",
        2 => "sha512",
        _ => "other",
    };
    let (block, salt) = parameters(file).unwrap_or_default();
    format!("{algorithm}:{block}:{salt}:{}", escape::hex(told)).into()
}

/// Whether a file that has such a seal (see [`seal`]) has the contents that any other file with the same seal has: digest
/// and parameters are known, and the algorithm is.
pub fn tells_contents(seal: &str) -> bool {
    let mut parts = seal.split(':');
    matches!(parts.next(), Some("sha256" | "sha512"))
        && parts.next().is_some_and(|block| block != "0")
        && parts.next().is_some()
        && parts.next().is_some_and(|digest| !digest.is_empty())
        && parts.next().is_none()
}

/// Size of a block, and the salt in hexadecimal.
fn parameters(file: BorrowedFd<'_>) -> Option<(u64, String)> {
    let mut descriptor = [0_u8; DESCRIPTOR_SIZE];
    let mut metadata = Metadata {
        kind: DESCRIPTOR,
        offset: 0,
        length: DESCRIPTOR_SIZE as u64,
        buffer: descriptor.as_mut_ptr() as u64,
        reserved: 0,
    };
    // SAFETY: the opcode takes a struct fsverity_read_metadata_arg, whose buffer has the length that it says and
    // outlives the call.
    let read =
        unsafe { ioctl::ioctl(file, Updater::<READ_METADATA, Metadata>::new(&mut metadata)) };
    read.ok()?;
    // version, hash_algorithm, log_blocksize, salt_size; the salt behind data_size and root_hash.
    let block = 1_u64.checked_shl(u32::from(descriptor[2]))?;
    let salt = descriptor.get(80..80 + usize::from(descriptor[3]))?;
    Some((block, escape::hex(salt)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_digest_with_its_parameters_tells_contents() {
        for seal in ["sha256:4096::00ff", "sha512:1024:ab:00ff"] {
            assert!(tells_contents(seal), "{seal}");
        }
        for seal in [
            "sealed",
            "",
            "other:4096::00ff",
            "sha256:0::00ff",
            "sha256:4096::",
            "sha256:4096:",
            "sha256:4096::00ff:",
        ] {
            assert!(!tells_contents(seal), "{seal}");
        }
    }
}
