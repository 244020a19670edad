//! MD5 on every path of this processor against RFC 1321's own answers and against the md-5 crate.

use md5::Digest as _;
use sha256_lanes::{Hash as _, Md5, Order, Path, StreamOf, finish_many, update_many};

type Digest = [u8; 16];

fn reference(message: &[u8]) -> Digest {
    md5::Md5::digest(message).into()
}

fn whole(path: Path, messages: &[Vec<u8>]) -> Vec<Digest> {
    let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    let mut digests = vec![[9; 16]; 3];
    Order::default().digest_many_as::<Md5>(path, &messages, &mut digests);
    digests
}

/// All messages as streams, each fed by pieces of a length that `step` says.
fn streamed(path: Path, messages: &[Vec<u8>], mut step: impl FnMut(usize) -> usize) -> Vec<Digest> {
    let mut streams = vec![StreamOf::<Md5>::new(); messages.len()];
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
    let mut digests = Vec::new();
    finish_many(path, &streams, &mut digests);
    let single: Vec<Digest> = streams.into_iter().map(StreamOf::finish).collect();
    assert_eq!(digests, single);
    digests
}

fn equal(messages: &[Vec<u8>], mut step: impl FnMut(usize) -> usize) {
    let expected: Vec<Digest> = messages.iter().map(|m| reference(m)).collect();
    for path in Path::available() {
        let name = path.name();
        assert_eq!(whole(path, messages), expected, "{name}");
        assert_eq!(streamed(path, messages, &mut step), expected, "{name}");
    }
}

/// RFC 1321, appendix A.5.
#[test]
fn the_test_suite_of_the_rfc() {
    let suite = [
        ("", "d41d8cd98f00b204e9800998ecf8427e"),
        ("a", "0cc175b9c0f1b6a831c399e269772661"),
        ("abc", "900150983cd24fb0d6963f7d28e17f72"),
        ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
        (
            "abcdefghijklmnopqrstuvwxyz",
            "c3fcd3d76192e4007dfb496cca67e13b",
        ),
        (
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
            "d174ab98d277d9f5a5611c2c9f419d9f",
        ),
        (
            "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
            "57edf4a22be3c955ac49da2e2107b67a",
        ),
    ];
    let messages: Vec<Vec<u8>> = suite.map(|(message, _)| message.into()).to_vec();
    for path in Path::available() {
        for (digest, (message, expected)) in whole(path, &messages).iter().zip(suite) {
            let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex, expected, "{} {message:?}", path.name());
        }
    }
}

#[test]
fn every_length_to_300() {
    let messages: Vec<Vec<u8>> = (0..=300).map(|length| bytes(length, 3)).collect();
    equal(&messages, |_| 41);
    for path in Path::available() {
        for message in &messages {
            let alone = whole(path, std::slice::from_ref(message));
            assert_eq!(alone, [reference(message)], "{}", message.len());
        }
    }
}

#[test]
fn lane_counts_and_mixed_lengths() {
    let mut random = fastrand::Rng::with_seed(21);
    for count in 0..=20 {
        for _ in 0..6 {
            let messages: Vec<Vec<u8>> = (0..count)
                .map(|_| {
                    let length = match random.u8(..4) {
                        0 => random.usize(..4),
                        1 => random.usize(..130),
                        2 => 64 * random.usize(1..12) + random.usize(..8) - 4,
                        _ => random.usize(..5000),
                    };
                    bytes(length, random.u64(..))
                })
                .collect();
            let mut steps = random.fork();
            equal(&messages, |_| steps.usize(..700));
        }
    }
}

#[test]
fn many_messages_of_a_realistic_mix() {
    let mut random = fastrand::Rng::with_seed(22);
    let messages: Vec<Vec<u8>> = (0..400)
        .map(|_| {
            let scale = random.u32(..15);
            bytes(random.usize(..2 << scale), random.u64(..))
        })
        .collect();
    equal(&messages, |i| 1 + 4096 / (1 + i % 7));
}

#[test]
fn misaligned_slices() {
    let buffer = bytes(64 * 9 + 64, 5);
    let slices: Vec<&[u8]> = (0..64)
        .map(|at| &buffer[at..at + 64 * 8 + at % 5])
        .collect();
    for path in Path::available() {
        let mut digests = Vec::new();
        Order::default().digest_many_as::<Md5>(path, &slices, &mut digests);
        for (slice, digest) in slices.iter().zip(&digests) {
            assert_eq!(*digest, reference(slice), "{}", path.name());
        }
    }
}

#[test]
fn lanes_are_there_where_the_processor_has_vectors() {
    for path in Path::available() {
        let lanes = Md5::lanes(path);
        assert_eq!(lanes > 1, path != Path::Portable, "{} {lanes}", path.name());
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

fn bytes(length: usize, seed: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    std::iter::repeat_with(|| random.u8(..))
        .take(length)
        .collect()
}
