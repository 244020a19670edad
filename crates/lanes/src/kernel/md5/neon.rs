//! Four lanes of NEON.
//!
//! Source: Arm Architecture Reference Manual for A-profile, Advanced SIMD.

use super::super::constants::Block;
use super::super::words::Words;
use super::{SINES, md5_compress};
use std::arch::aarch64::*;

/// How many streams one call takes.
pub(crate) const LANES: usize = 4;

md5_compress!("neon", 4);

/// A rotation to the left: a shift, and the bits it pushed out inserted behind it.
macro_rules! rotate {
    ($x:ident, $left:literal) => {
        vsriq_n_u32::<{ 32 - $left }>(vshlq_n_u32::<$left>($x), $x)
    };
}
use rotate;

#[inline]
#[target_feature(enable = "neon")]
fn add(x: uint32x4_t, y: uint32x4_t) -> uint32x4_t {
    vaddq_u32(x, y)
}

/// `(x & y) | (!x & z)`
#[inline]
#[target_feature(enable = "neon")]
fn f(x: uint32x4_t, y: uint32x4_t, z: uint32x4_t) -> uint32x4_t {
    vbslq_u32(x, y, z)
}

/// `(x & z) | (y & !z)`
#[inline]
#[target_feature(enable = "neon")]
fn g(x: uint32x4_t, y: uint32x4_t, z: uint32x4_t) -> uint32x4_t {
    vbslq_u32(z, x, y)
}

#[inline]
#[target_feature(enable = "neon")]
fn h(x: uint32x4_t, y: uint32x4_t, z: uint32x4_t) -> uint32x4_t {
    veorq_u32(x, veorq_u32(y, z))
}

/// `y ^ (x | !z)`
#[inline]
#[target_feature(enable = "neon")]
fn i(x: uint32x4_t, y: uint32x4_t, z: uint32x4_t) -> uint32x4_t {
    veorq_u32(y, vornq_u32(x, z))
}

#[inline]
#[target_feature(enable = "neon")]
fn splat(word: u32) -> uint32x4_t {
    vdupq_n_u32(word)
}

#[inline]
#[target_feature(enable = "neon")]
fn load_words(words: &Words<LANES>) -> [uint32x4_t; 4] {
    let [a, b, c, d, ..] = &words.0;
    [a, b, c, d].map(|row| {
        // SAFETY: `row` is a reference to four readable words.
        unsafe { vld1q_u32(row.as_ptr()) }
    })
}

#[inline]
#[target_feature(enable = "neon")]
fn store_words(words: &mut Words<LANES>, rows: [uint32x4_t; 4]) {
    for (to, row) in words.0.iter_mut().zip(rows) {
        // SAFETY: `to` is a reference to four writable words.
        unsafe { vst1q_u32(to.as_mut_ptr(), row) }
    }
}

/// Block `at` of every lane, turned so that vector `i` holds message word `i` of all lanes.
#[inline]
#[target_feature(enable = "neon")]
fn load_schedule(lanes: &[&[Block]; LANES], at: usize) -> [uint32x4_t; 16] {
    let [a, b, c, d] = [0, 1, 2, 3].map(|quarter| columns(lanes, at, quarter));
    [
        a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3], c[0], c[1], c[2], c[3], d[0], d[1], d[2],
        d[3],
    ]
}

/// Four message words of every lane: one quarter of block `at`.
#[inline]
#[target_feature(enable = "neon")]
fn columns(lanes: &[&[Block]; LANES], at: usize, quarter: usize) -> [uint32x4_t; 4] {
    // Words are little-endian, as they lie there.
    let rows = lanes.map(|blocks| {
        let (quarters, _) = blocks[at].as_chunks::<16>();
        let bytes: &[u8; 16] = &quarters[quarter];
        // SAFETY: `bytes` is a reference to 16 readable bytes.
        vreinterpretq_u32_u8(unsafe { vld1q_u8(bytes.as_ptr()) })
    });
    let even = [vtrn1q_u32(rows[0], rows[1]), vtrn1q_u32(rows[2], rows[3])]
        .map(|x| vreinterpretq_u64_u32(x));
    let odd = [vtrn2q_u32(rows[0], rows[1]), vtrn2q_u32(rows[2], rows[3])]
        .map(|x| vreinterpretq_u64_u32(x));
    [
        vtrn1q_u64(even[0], even[1]),
        vtrn1q_u64(odd[0], odd[1]),
        vtrn2q_u64(even[0], even[1]),
        vtrn2q_u64(odd[0], odd[1]),
    ]
    .map(|x| vreinterpretq_u32_u64(x))
}
