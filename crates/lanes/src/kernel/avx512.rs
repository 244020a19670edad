//! Sixteen lanes of AVX-512.
//!
//! A rotation is one instruction here, and so is any function of three words (`vpternlogd`,
//! whose immediate is the function's truth table), so that a lane's block costs as much as on the SHA
//! instructions where vector units are 256 bits wide, and little more than half of it where they are 512. The
//! twenty-four vectors in use fit the thirty-two registers. Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2.

use super::constants::Block;
use super::wide::{Words, quarters, wide_compress};
use std::arch::x86_64::*;

/// How many streams one call takes.
pub(super) const LANES: usize = 16;

/// Truth tables: bit `4a + 2b + c` is the value for those three bits.
const XOR3: i32 = 0x96;
const CHOOSE: i32 = 0xca;
const MAJORITY: i32 = 0xe8;

wide_compress!("avx512f,avx512bw", 16);

#[inline]
#[target_feature(enable = "avx512f")]
fn add(x: __m512i, y: __m512i) -> __m512i {
    _mm512_add_epi32(x, y)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn xor3(x: __m512i, y: __m512i, z: __m512i) -> __m512i {
    _mm512_ternarylogic_epi32::<XOR3>(x, y, z)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn big_sigma0(x: __m512i) -> __m512i {
    xor3(
        _mm512_ror_epi32::<2>(x),
        _mm512_ror_epi32::<13>(x),
        _mm512_ror_epi32::<22>(x),
    )
}

#[inline]
#[target_feature(enable = "avx512f")]
fn big_sigma1(x: __m512i) -> __m512i {
    xor3(
        _mm512_ror_epi32::<6>(x),
        _mm512_ror_epi32::<11>(x),
        _mm512_ror_epi32::<25>(x),
    )
}

#[inline]
#[target_feature(enable = "avx512f")]
fn small_sigma0(x: __m512i) -> __m512i {
    xor3(
        _mm512_ror_epi32::<7>(x),
        _mm512_ror_epi32::<18>(x),
        _mm512_srli_epi32::<3>(x),
    )
}

#[inline]
#[target_feature(enable = "avx512f")]
fn small_sigma1(x: __m512i) -> __m512i {
    xor3(
        _mm512_ror_epi32::<17>(x),
        _mm512_ror_epi32::<19>(x),
        _mm512_srli_epi32::<10>(x),
    )
}

#[inline]
#[target_feature(enable = "avx512f")]
fn choose(x: __m512i, y: __m512i, z: __m512i) -> __m512i {
    _mm512_ternarylogic_epi32::<CHOOSE>(x, y, z)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn majority(x: __m512i, y: __m512i, z: __m512i) -> __m512i {
    _mm512_ternarylogic_epi32::<MAJORITY>(x, y, z)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn splat(word: u32) -> __m512i {
    _mm512_set1_epi32(word.cast_signed())
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_words(words: &Words<LANES>) -> [__m512i; 8] {
    // A loop and no `map`: that lacks the features, so what it is given could not become part of it.
    let mut rows = [_mm512_setzero_si512(); 8];
    for (row, from) in rows.iter_mut().zip(&words.0) {
        // SAFETY: `from` is a reference to 64 readable bytes, and the load needs no alignment.
        *row = unsafe { _mm512_loadu_si512(from.as_ptr().cast()) };
    }
    rows
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store_words(words: &mut Words<LANES>, rows: [__m512i; 8]) {
    for (to, row) in words.0.iter_mut().zip(rows) {
        // SAFETY: `to` is a reference to 64 writable bytes, and the store needs no alignment.
        unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), row) }
    }
}

/// Block `at` of every lane, turned so that vector `i` holds message word `i` of all lanes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn load_schedule(lanes: &[&[Block]; LANES], at: usize) -> [__m512i; 16] {
    let big_endian =
        _mm512_broadcast_i32x4(_mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203));
    let mut rows = [_mm512_setzero_si512(); 16];
    for (row, blocks) in rows.iter_mut().zip(lanes) {
        let block: &Block = &blocks[at];
        // SAFETY: `block` is a reference to 64 readable bytes, and the load needs no alignment.
        let loaded = unsafe { _mm512_loadu_si512(block.as_ptr().cast()) };
        *row = _mm512_shuffle_epi8(loaded, big_endian);
    }
    transpose(rows)
}

/// Turns sixteen rows of sixteen words into sixteen columns.
#[inline]
#[target_feature(enable = "avx512f")]
fn transpose(r: [__m512i; 16]) -> [__m512i; 16] {
    // Pairs of rows, then fours: within each 128-bit quarter.
    let mut pairs = r;
    for i in 0..8 {
        pairs[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
        pairs[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
    }
    // fours[4i + k]: word k of each quarter, of rows 4i to 4i + 3.
    let mut fours = pairs;
    for i in 0..4 {
        fours[4 * i] = _mm512_unpacklo_epi64(pairs[4 * i], pairs[4 * i + 2]);
        fours[4 * i + 1] = _mm512_unpackhi_epi64(pairs[4 * i], pairs[4 * i + 2]);
        fours[4 * i + 2] = _mm512_unpacklo_epi64(pairs[4 * i + 1], pairs[4 * i + 3]);
        fours[4 * i + 3] = _mm512_unpackhi_epi64(pairs[4 * i + 1], pairs[4 * i + 3]);
    }
    // Then the quarters themselves change places, as a four by four matrix for each k.
    let mut columns = fours;
    for k in 0..4 {
        let low01 = _mm512_shuffle_i32x4::<0x44>(fours[k], fours[4 + k]);
        let high01 = _mm512_shuffle_i32x4::<0xee>(fours[k], fours[4 + k]);
        let low23 = _mm512_shuffle_i32x4::<0x44>(fours[8 + k], fours[12 + k]);
        let high23 = _mm512_shuffle_i32x4::<0xee>(fours[8 + k], fours[12 + k]);
        columns[k] = _mm512_shuffle_i32x4::<0x88>(low01, low23);
        columns[4 + k] = _mm512_shuffle_i32x4::<0xdd>(low01, low23);
        columns[8 + k] = _mm512_shuffle_i32x4::<0x88>(high01, high23);
        columns[12 + k] = _mm512_shuffle_i32x4::<0xdd>(high01, high23);
    }
    columns
}
