//! Every path of this processor against NIST's vectors and against the sha2 crate.

use sha2::{Digest as _, Sha256};
use sha256_lanes::{Order, Path, Stream, digest_many, finish_many, update_many};
use std::path::PathBuf;

type Digest = [u8; 32];

fn reference(message: &[u8]) -> Digest {
    Sha256::digest(message).into()
}

fn whole(path: Path, messages: &[Vec<u8>]) -> Vec<Digest> {
    let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    let mut digests = vec![[9; 32]; 3];
    digest_many(path, &messages, &mut digests);
    digests
}

/// All messages as streams, each fed by pieces of a length that `step` says.
fn streamed(path: Path, messages: &[Vec<u8>], mut step: impl FnMut(usize) -> usize) -> Vec<Digest> {
    let mut streams = vec![Stream::new(); messages.len()];
    let mut rest: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    while rest.iter().any(|r| !r.is_empty()) {
        let mut work = Vec::new();
        for (i, (stream, rest)) in streams.iter_mut().zip(&mut rest).enumerate() {
            let (piece, after) = rest.split_at(step(i).min(rest.len()));
            *rest = after;
            work.push((stream, piece));
        }
        update_many(path, &mut work);
    }
    for (stream, message) in streams.iter().zip(messages) {
        assert_eq!(stream.length(), message.len() as u64);
    }
    let mut digests = Vec::new();
    finish_many(path, &streams, &mut digests);
    let single: Vec<Digest> = streams.into_iter().map(Stream::finish).collect();
    assert_eq!(digests, single);
    digests
}

fn vectors(name: &str) -> String {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/cavp")
        .join(name);
    std::fs::read_to_string(file).expect("vectors lie beside the tests")
}

fn values<'a>(text: &'a str, key: &str) -> impl Iterator<Item = &'a str> {
    text.lines()
        .filter_map(move |line| line.strip_prefix(key)?.strip_prefix(" = "))
        .map(str::trim)
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2)
        .map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).expect("hexadecimal"))
        .collect()
}

fn digest(text: &str) -> Digest {
    unhex(text).try_into().expect("32 bytes")
}

#[test]
fn nist_short_and_long_messages() {
    for (file, count) in [("SHA256ShortMsg.rsp", 65), ("SHA256LongMsg.rsp", 64)] {
        let text = vectors(file);
        let messages: Vec<Vec<u8>> = values(&text, "Len")
            .map(|bits| bits.parse::<usize>().expect("a length") / 8)
            .zip(values(&text, "Msg"))
            .map(|(length, message)| unhex(message)[..length].to_vec())
            .collect();
        let expected: Vec<Digest> = values(&text, "MD").map(digest).collect();
        assert_eq!((messages.len(), expected.len()), (count, count), "{file}");
        for path in Path::available() {
            let name = path.name();
            assert_eq!(whole(path, &messages), expected, "{file} {name}");
            for (message, expected) in messages.iter().zip(&expected) {
                let alone = whole(path, std::slice::from_ref(message));
                assert_eq!(&alone[0], expected, "{file} {name}");
            }
            for step in [1, 7, 64, 1000] {
                let digests = streamed(path, &messages, |_| step);
                assert_eq!(digests, expected, "{file} {name} by {step}");
            }
        }
    }
}

/// SHAVS, section 6.4: each checkpoint hashes the last three digests a thousand times over.
/// Every lane runs the same chain, so that the wide kernels take part.
#[test]
fn nist_monte_carlo() {
    let text = vectors("SHA256Monte.rsp");
    let seed = digest(values(&text, "Seed").next().expect("a seed"));
    let expected: Vec<Digest> = values(&text, "MD").map(digest).collect();
    assert_eq!(expected.len(), 100);
    for path in Path::available() {
        let (mut order, mut digests) = (Order::default(), Vec::new());
        for as_streams in [false, true] {
            let mut start = seed;
            for expected in &expected {
                let mut last = [start; 3];
                for _ in 0..1000 {
                    let message = last.concat();
                    if as_streams {
                        let mut streams = vec![Stream::new(); path.lanes()];
                        let mut work: Vec<_> = streams
                            .iter_mut()
                            .map(|stream| (stream, &message[..]))
                            .collect();
                        update_many(path, &mut work);
                        finish_many(path, &streams, &mut digests);
                    } else {
                        order.digest_many(path, &vec![&message[..]; path.lanes()], &mut digests);
                    }
                    assert!(digests.iter().all(|d| *d == digests[0]));
                    last = [last[1], last[2], digests[0]];
                }
                start = last[2];
                assert_eq!(&start, expected, "{}", path.name());
            }
        }
    }
}

#[test]
fn every_length_to_300() {
    let messages: Vec<Vec<u8>> = (0..=300)
        .map(|length| bytes(length, length as u64))
        .collect();
    let expected: Vec<Digest> = messages.iter().map(|m| reference(m)).collect();
    for path in Path::available() {
        assert_eq!(whole(path, &messages), expected, "{}", path.name());
        for (message, expected) in messages.iter().zip(&expected) {
            let alone = whole(path, std::slice::from_ref(message));
            assert_eq!(&alone[0], expected, "{} {}", path.name(), message.len());
            let mut stream = Stream::new();
            update_many(path, &mut [(&mut stream, message)]);
            assert_eq!(&stream.finish(), expected, "{}", path.name());
        }
    }
}

#[test]
fn nothing_to_do() {
    for path in Path::available() {
        update_many::<sha256_lanes::Sha256>(path, &mut []);
        let mut digests = vec![[1; 32]];
        digest_many(path, &[], &mut digests);
        assert!(digests.is_empty());
        let mut stream = Stream::new();
        update_many(path, &mut [(&mut stream, &[])]);
        assert_eq!(stream.finish(), reference(&[]));
    }
}

/// A path that this processor lacks must not reach its instructions.
#[test]
fn a_path_of_another_processor_computes_all_the_same() {
    let messages: Vec<Vec<u8>> = (0..20).map(|i| bytes(100 * i, 1)).collect();
    let expected: Vec<Digest> = messages.iter().map(|m| reference(m)).collect();
    for path in [Path::Avx512, Path::ShaNi, Path::Avx2, Path::ArmSha2] {
        assert_eq!(whole(path, &messages), expected, "{}", path.name());
    }
}

#[test]
fn lane_counts_and_mixed_lengths() {
    let mut random = Random(11);
    for path in Path::available() {
        for count in 1..=20 {
            for _ in 0..6 {
                let messages: Vec<Vec<u8>> = (0..count).map(|_| random.message()).collect();
                let expected: Vec<Digest> = messages.iter().map(|m| reference(m)).collect();
                assert_eq!(whole(path, &messages), expected, "{} {count}", path.name());
                let digests = streamed(path, &messages, |_| random.below(700));
                assert_eq!(digests, expected, "{} {count}", path.name());
            }
        }
    }
}

#[test]
fn many_messages_of_a_realistic_mix() {
    let mut random = Random(12);
    let messages: Vec<Vec<u8>> = (0..400)
        .map(|_| {
            let scale = random.below(15);
            let length = random.below(2 << scale);
            bytes(length, random.next())
        })
        .collect();
    let expected: Vec<Digest> = messages.iter().map(|m| reference(m)).collect();
    for path in Path::available() {
        assert_eq!(whole(path, &messages), expected, "{}", path.name());
        let digests = streamed(path, &messages, |i| 1 + 4096 / (1 + i % 7));
        assert_eq!(digests, expected, "{}", path.name());
    }
}

#[test]
fn misaligned_slices() {
    let buffer = bytes(64 * 9 + 64, 5);
    for path in Path::available() {
        let slices: Vec<&[u8]> = (0..64)
            .map(|at| &buffer[at..at + 64 * 8 + at % 5])
            .collect();
        let mut digests = Vec::new();
        digest_many(path, &slices, &mut digests);
        for (slice, digest) in slices.iter().zip(&digests) {
            assert_eq!(*digest, reference(slice), "{}", path.name());
        }
        let mut streams = vec![Stream::new(); slices.len()];
        let mut work: Vec<_> = streams.iter_mut().zip(slices.iter().copied()).collect();
        update_many(path, &mut work);
        finish_many(path, &streams, &mut digests);
        for (slice, digest) in slices.iter().zip(&digests) {
            assert_eq!(*digest, reference(slice), "{}", path.name());
        }
    }
}

fn bytes(length: usize, seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    (0..length)
        .map(|_| random.next().to_le_bytes()[0])
        .collect()
}

/// SplitMix64: the same values on every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("under a usize")
    }

    /// Empty, short, around the ends of blocks, or long.
    fn message(&mut self) -> Vec<u8> {
        let length = match self.below(4) {
            0 => self.below(4),
            1 => self.below(130),
            2 => (64 * self.below(12) + 60 + self.below(8)).saturating_sub(4),
            _ => self.below(5000),
        };
        bytes(length, self.next())
    }
}
