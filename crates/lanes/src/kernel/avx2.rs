//! Eight lanes of AVX2, for processors without SHA instructions.
//!
//! AVX2 has no rotation: each is two shifts and an exclusive or.
//! Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2.

use super::constants::Block;
use super::wide::{Words, quarters, wide_compress};
use std::arch::x86_64::*;

/// How many streams one call takes.
pub(super) const LANES: usize = 8;

wide_compress!("avx2", 8);

/// A rotation to the right; `$left` is 32 less `$right`.
macro_rules! rotate {
    ($x:ident, $right:literal) => {
        _mm256_xor_si256(
            _mm256_srli_epi32::<$right>($x),
            _mm256_slli_epi32::<{ 32 - $right }>($x),
        )
    };
}

#[inline]
#[target_feature(enable = "avx2")]
fn add(x: __m256i, y: __m256i) -> __m256i {
    _mm256_add_epi32(x, y)
}

#[inline]
#[target_feature(enable = "avx2")]
fn xor3(x: __m256i, y: __m256i, z: __m256i) -> __m256i {
    _mm256_xor_si256(_mm256_xor_si256(x, y), z)
}

#[inline]
#[target_feature(enable = "avx2")]
fn big_sigma0(x: __m256i) -> __m256i {
    xor3(rotate!(x, 2), rotate!(x, 13), rotate!(x, 22))
}

#[inline]
#[target_feature(enable = "avx2")]
fn big_sigma1(x: __m256i) -> __m256i {
    xor3(rotate!(x, 6), rotate!(x, 11), rotate!(x, 25))
}

#[inline]
#[target_feature(enable = "avx2")]
fn small_sigma0(x: __m256i) -> __m256i {
    xor3(rotate!(x, 7), rotate!(x, 18), _mm256_srli_epi32::<3>(x))
}

#[inline]
#[target_feature(enable = "avx2")]
fn small_sigma1(x: __m256i) -> __m256i {
    xor3(rotate!(x, 17), rotate!(x, 19), _mm256_srli_epi32::<10>(x))
}

/// `(x & y) ^ (!x & z)`, in one instruction less.
#[inline]
#[target_feature(enable = "avx2")]
fn choose(x: __m256i, y: __m256i, z: __m256i) -> __m256i {
    _mm256_xor_si256(z, _mm256_and_si256(x, _mm256_xor_si256(y, z)))
}

/// `(x & y) ^ (x & z) ^ (y & z)`. The next round's `y ^ z` is this round's `x ^ y`: written so,
/// the compiler takes it over.
#[inline]
#[target_feature(enable = "avx2")]
fn majority(x: __m256i, y: __m256i, z: __m256i) -> __m256i {
    _mm256_xor_si256(
        y,
        _mm256_and_si256(_mm256_xor_si256(x, y), _mm256_xor_si256(y, z)),
    )
}

#[inline]
#[target_feature(enable = "avx2")]
fn splat(word: u32) -> __m256i {
    _mm256_set1_epi32(word.cast_signed())
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_words(words: &Words<LANES>) -> [__m256i; 8] {
    // A loop and no `map`: that lacks the features, so what it is given could not become part of it.
    let mut rows = [_mm256_setzero_si256(); 8];
    for (row, from) in rows.iter_mut().zip(&words.0) {
        // SAFETY: `from` is a reference to 32 readable bytes, and the load needs no alignment.
        *row = unsafe { _mm256_loadu_si256(from.as_ptr().cast()) };
    }
    rows
}

#[inline]
#[target_feature(enable = "avx2")]
fn store_words(words: &mut Words<LANES>, rows: [__m256i; 8]) {
    for (to, row) in words.0.iter_mut().zip(rows) {
        // SAFETY: `to` is a reference to 32 writable bytes, and the store needs no alignment.
        unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), row) }
    }
}

/// Block `at` of every lane, turned so that vector `i` holds message word `i` of all lanes.
#[inline]
#[target_feature(enable = "avx2")]
fn load_schedule(lanes: &[&[Block]; LANES], at: usize) -> [__m256i; 16] {
    let big_endian =
        _mm256_broadcastsi128_si256(_mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203));
    let [l0, l1, l2, l3, l4, l5, l6, l7] = transposed_half(lanes, at, 0, big_endian);
    let [h0, h1, h2, h3, h4, h5, h6, h7] = transposed_half(lanes, at, 1, big_endian);
    [
        l0, l1, l2, l3, l4, l5, l6, l7, h0, h1, h2, h3, h4, h5, h6, h7,
    ]
}

/// Eight message words of every lane: the first or the second half of block `at`, bytes put in `order` within each 16.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn transposed_half(
    lanes: &[&[Block]; LANES],
    at: usize,
    half: usize,
    order: __m256i,
) -> [__m256i; 8] {
    let mut rows = [_mm256_setzero_si256(); 8];
    for (row, blocks) in rows.iter_mut().zip(lanes) {
        let (halves, _) = blocks[at].as_chunks::<32>();
        let bytes: &[u8; 32] = &halves[half];
        // SAFETY: `bytes` is a reference to 32 readable bytes, and the load needs no alignment.
        let loaded = unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) };
        *row = _mm256_shuffle_epi8(loaded, order);
    }
    transpose(rows)
}

/// Turns eight rows of eight words into eight columns.
#[inline]
#[target_feature(enable = "avx2")]
fn transpose(r: [__m256i; 8]) -> [__m256i; 8] {
    // Pairs of rows, then fours: within each 128-bit half.
    let mut pairs = r;
    for i in 0..4 {
        pairs[2 * i] = _mm256_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
        pairs[2 * i + 1] = _mm256_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
    }
    // fours[4i + k]: word k of each half, of rows 4i to 4i + 3.
    let mut fours = pairs;
    for i in 0..2 {
        fours[4 * i] = _mm256_unpacklo_epi64(pairs[4 * i], pairs[4 * i + 2]);
        fours[4 * i + 1] = _mm256_unpackhi_epi64(pairs[4 * i], pairs[4 * i + 2]);
        fours[4 * i + 2] = _mm256_unpacklo_epi64(pairs[4 * i + 1], pairs[4 * i + 3]);
        fours[4 * i + 3] = _mm256_unpackhi_epi64(pairs[4 * i + 1], pairs[4 * i + 3]);
    }
    // Then the halves themselves.
    let mut columns = fours;
    for k in 0..4 {
        columns[k] = _mm256_permute2x128_si256::<0x20>(fours[k], fours[4 + k]);
        columns[4 + k] = _mm256_permute2x128_si256::<0x31>(fours[k], fours[4 + k]);
    }
    columns
}
