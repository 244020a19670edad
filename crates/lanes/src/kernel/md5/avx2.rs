//! Eight lanes of AVX2.
//!
//! Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2.

use super::super::avx2::transposed_half;
use super::super::constants::Block;
use super::super::wide::Words;
use super::{SINES, md5_compress};
use std::arch::x86_64::*;

/// How many streams one call takes.
pub(crate) const LANES: usize = 8;

md5_compress!("avx2", 8);

/// A rotation to the left.
macro_rules! rotate {
    ($x:ident, $left:literal) => {
        _mm256_or_si256(
            _mm256_slli_epi32::<$left>($x),
            _mm256_srli_epi32::<{ 32 - $left }>($x),
        )
    };
}
use rotate;

#[inline]
#[target_feature(enable = "avx2")]
fn add(x: __m256i, y: __m256i) -> __m256i {
    _mm256_add_epi32(x, y)
}

/// `(x & y) | (!x & z)`, in one operation less.
#[inline]
#[target_feature(enable = "avx2")]
fn f(x: __m256i, y: __m256i, z: __m256i) -> __m256i {
    _mm256_xor_si256(z, _mm256_and_si256(x, _mm256_xor_si256(y, z)))
}

/// `(x & z) | (y & !z)`: the two share no bit, and only the first waits for `x`.
#[inline]
#[target_feature(enable = "avx2")]
fn g(x: __m256i, y: __m256i, z: __m256i) -> __m256i {
    _mm256_or_si256(_mm256_and_si256(x, z), _mm256_andnot_si256(z, y))
}

#[inline]
#[target_feature(enable = "avx2")]
fn h(x: __m256i, y: __m256i, z: __m256i) -> __m256i {
    _mm256_xor_si256(x, _mm256_xor_si256(y, z))
}

/// `y ^ (x | !z)`
#[inline]
#[target_feature(enable = "avx2")]
fn i(x: __m256i, y: __m256i, z: __m256i) -> __m256i {
    let not_z = _mm256_xor_si256(z, _mm256_set1_epi32(-1));
    _mm256_xor_si256(y, _mm256_or_si256(x, not_z))
}

#[inline]
#[target_feature(enable = "avx2")]
fn splat(word: u32) -> __m256i {
    _mm256_set1_epi32(word.cast_signed())
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_words(words: &Words<LANES>) -> [__m256i; 4] {
    // A loop and no `map`, as for SHA-256.
    let mut rows = [_mm256_setzero_si256(); 4];
    for (row, from) in rows.iter_mut().zip(&words.0) {
        // SAFETY: `from` is a reference to 32 readable bytes, and the load needs no alignment.
        *row = unsafe { _mm256_loadu_si256(from.as_ptr().cast()) };
    }
    rows
}

#[inline]
#[target_feature(enable = "avx2")]
fn store_words(words: &mut Words<LANES>, rows: [__m256i; 4]) {
    for (to, row) in words.0.iter_mut().zip(rows) {
        // SAFETY: `to` is a reference to 32 writable bytes, and the store needs no alignment.
        unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), row) }
    }
}

/// Block `at` of every lane, turned so that vector `i` holds message word `i` of all lanes.
#[inline]
#[target_feature(enable = "avx2")]
fn load_schedule(lanes: &[&[Block]; LANES], at: usize) -> [__m256i; 16] {
    // Words are little-endian, as they lie there.
    let as_they_lie =
        _mm256_broadcastsi128_si256(_mm_set_epi64x(0x0f0e_0d0c_0b0a_0908, 0x0706_0504_0302_0100));
    let [l0, l1, l2, l3, l4, l5, l6, l7] = transposed_half(lanes, at, 0, as_they_lie);
    let [h0, h1, h2, h3, h4, h5, h6, h7] = transposed_half(lanes, at, 1, as_they_lie);
    [
        l0, l1, l2, l3, l4, l5, l6, l7, h0, h1, h2, h3, h4, h5, h6, h7,
    ]
}
