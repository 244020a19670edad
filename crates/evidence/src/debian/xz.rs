//! xz (the .xz file format 1.2.1, section 3; LZMA2 in it) without its dictionary where little is packed: dpkg-deb asks for one
//! of 8 MiB whatever a package holds, and filling that takes longer than all else of a small package.

use agent_core::bytes;
use lzma_rust2::{Lzma2Reader, XzReader};
use std::io::{self, Cursor, Read};

/// Packed bytes that are read whole, to see how much they unpack to. Control archives and most packages have fewer.
const SMALL: u64 = 256 * 1024;
/// Bytes of a stream's header.
const HEADER: usize = 12;
const END: usize = 12;
const MAGIC: &[u8] = b"\xfd7zXZ\0";
/// The one filter that packs; the others turn code into what packs better.
const LZMA2: u8 = 0x21;
/// The smallest dictionary that the format has.
const DICTIONARY: u64 = 4096;

/// What is packed in a member of that many bytes.
pub(super) fn reader<'a>(member: impl Read + 'a, size: u64) -> io::Result<Box<dyn Read + 'a>> {
    if size > SMALL {
        return Ok(Box::new(XzReader::new(member, true)));
    }
    let mut packed = Vec::new();
    member.take(size).read_to_end(&mut packed)?;
    let block = block(&packed);
    let mut packed = Cursor::new(packed);
    Ok(match block {
        // Its checksums are not compared: a signed digest of the whole package says more.
        Some(Block { start, dictionary }) => {
            packed.set_position(start);
            Box::new(Lzma2Reader::new(packed, dictionary, None))
        }
        None => Box::new(XzReader::new(packed, true)),
    })
}

/// What is packed, where that is one block of LZMA2 and nothing else.
#[derive(Debug, PartialEq, Eq)]
struct Block {
    start: u64,
    /// As large as it need be.
    dictionary: u32,
}

fn block(packed: &[u8]) -> Option<Block> {
    let head = packed.strip_prefix(MAGIC)?;
    let [0, check, ..] = head else { return None };
    let check = check_length(*check)?;
    let block = bytes::behind(packed, HEADER);
    let length = match block.first()? {
        0 => return None,
        units => usize::from(*units).checked_add(1)?.checked_mul(4)?,
    };
    let header = block.get(..length)?;
    let wanted = dictionary(header)?;
    let (unpacked, end) = chunks(bytes::behind(block, length))?;
    // Padded to a multiple of four, then its checksum; behind the last block stands the index, which begins with a zero,
    // and behind that the end of the stream.
    let padded = length.checked_add(end)?.checked_next_multiple_of(4)?;
    let index = bytes::behind(block, padded.checked_add(check)?);
    let behind = index_length(packed)?.checked_add(END)?;
    if index.first() != Some(&0) || index.len() != behind {
        return None;
    }
    let dictionary = u64::from(wanted).min(unpacked.max(DICTIONARY));
    Some(Block {
        start: u64::try_from(HEADER.checked_add(length)?).ok()?,
        dictionary: u32::try_from(dictionary).ok()?,
    })
}

/// Bytes of the last index, by the end of the stream.
fn index_length(packed: &[u8]) -> Option<usize> {
    let end = packed.len().checked_sub(END)?;
    let [_, _, _, _, a, b, c, d, _, _, b'Y', b'Z'] = *packed.get(end..)? else {
        return None;
    };
    let units = usize::try_from(u32::from_le_bytes([a, b, c, d])).ok()?;
    units.checked_add(1)?.checked_mul(4)
}

/// Bytes of a checksum of that kind.
fn check_length(kind: u8) -> Option<usize> {
    match kind {
        0 => Some(0),
        1..=3 => Some(4),
        4..=6 => Some(8),
        7..=9 => Some(16),
        10..=12 => Some(32),
        13..=15 => Some(64),
        _ => None,
    }
}

/// The dictionary that a block's header asks for, if LZMA2 is its only filter.
fn dictionary(header: &[u8]) -> Option<u32> {
    let flags = *header.get(1)?;
    // Reserved bits, or more filters than one.
    if flags & 0x3f != 0 {
        return None;
    }
    let mut rest = header.get(2..)?;
    for bit in [0x40, 0x80] {
        if flags & bit != 0 {
            let last = rest.iter().position(|byte| byte & 0x80 == 0)?;
            rest = bytes::behind(bytes::behind(rest, last), 1);
        }
    }
    let [LZMA2, 1, bits, ..] = rest else {
        return None;
    };
    match bits {
        0..40 => (2 | u32::from(bits & 1)).checked_shl(u32::from(bits / 2).checked_add(11)?),
        40 => Some(u32::MAX),
        _ => None,
    }
}

/// How much the chunks unpack to, and where they end; `None` where they do not.
fn chunks(packed: &[u8]) -> Option<(u64, usize)> {
    let (mut unpacked, mut rest) = (0_u64, packed);
    loop {
        let (length, behind) = match rest {
            [0, behind @ ..] => {
                let end = packed.len().checked_sub(behind.len())?;
                return Some((unpacked, end));
            }
            [1 | 2, high, low, behind @ ..] => {
                let length = length(0, *high, *low);
                unpacked = unpacked.checked_add(length)?;
                (length, behind)
            }
            [control, high, low, packed_high, packed_low, behind @ ..] if *control >= 0x80 => {
                unpacked = unpacked.checked_add(length(control & 0x1f, *high, *low))?;
                let properties = usize::from(*control >= 0xc0);
                let behind = bytes::behind(behind, properties);
                (length(0, *packed_high, *packed_low), behind)
            }
            _ => return None,
        };
        rest = behind.get(usize::try_from(length).ok()?..)?;
    }
}

/// A length as chunks have it: one less than it is.
fn length(highest: u8, high: u8, low: u8) -> u64 {
    u64::from(u32::from_be_bytes([0, highest, high, low])).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    /// As the real program packs it.
    fn packed(text: &[u8], options: &[&str]) -> Vec<u8> {
        use std::io::Write as _;
        let mut xz = Command::new("xz");
        xz.args(["--stdout", "--format=xz"]).args(options);
        let xz = xz.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = xz.spawn().expect("xz");
        let mut input = child.stdin.take().expect("piped");
        let text = text.to_vec();
        let writer = std::thread::spawn(move || input.write_all(&text));
        let ran = child.wait_with_output().expect("it ran");
        writer.join().expect("no panic").expect("written");
        assert!(ran.status.success());
        ran.stdout
    }

    fn unpacked(packed: &[u8]) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        reader(packed, packed.len() as u64)?.read_to_end(&mut text)?;
        Ok(text)
    }

    /// Text that packs, with repetitions from far away.
    fn text(length: usize) -> Vec<u8> {
        let mut random = 7_u32;
        let noise: Vec<u8> = (0..4096)
            .map(|_| {
                random = random.wrapping_mul(1_103_515_245).wrapping_add(12_345);
                random.to_be_bytes()[1]
            })
            .collect();
        noise.into_iter().cycle().take(length).collect()
    }

    #[test]
    fn a_small_member_takes_no_larger_dictionary_than_it_needs() {
        for (length, dictionary) in [
            (0, 4096),
            (5000, 5000),
            (100_000, 100_000),
            (9 << 20, 8 << 20),
        ] {
            for check in ["none", "crc32", "crc64", "sha256"] {
                let text = text(length);
                let packed = packed(&text, &["-6", "--threads=1", &format!("--check={check}")]);
                let found = block(&packed);
                match length {
                    // Nothing packed is no block.
                    0 => assert_eq!(found, None),
                    _ => assert_eq!(found.map(|block| block.dictionary), Some(dictionary)),
                }
                assert!(
                    unpacked(&packed).expect("sound") == text,
                    "{length} {check}"
                );
            }
        }
    }

    #[test]
    fn what_is_packed_in_another_way_is_unpacked_all_the_same() {
        let text = text(300_000);
        for (options, is_one) in [
            (&["--threads=2", "--block-size=2000000"][..], true),
            (&["--block-size=100000"], false),
            (&["--x86", "--lzma2=preset=1"], false),
            (&["-0"], true),
        ] {
            let packed = packed(&text, options);
            assert_eq!(block(&packed).is_some(), is_one, "{options:?}");
            assert!(unpacked(&packed).expect("sound") == text, "{options:?}");
        }
        let twice = packed(&text, &["-6"]).repeat(2);
        assert_eq!(block(&twice), None);
        assert!(unpacked(&twice).expect("sound") == text.repeat(2));
    }

    #[test]
    fn what_is_damaged_is_an_error_or_other_text_and_never_a_panic() {
        let text = text(20_000);
        let packed = packed(&text, &["-6"]);
        for at in 0..packed.len() {
            assert!(unpacked(&packed[..at]).map_or(true, |found| found.len() <= text.len()));
            let mut damaged = packed.clone();
            damaged[at] ^= 0xff;
            drop(unpacked(&damaged));
        }
    }
}
