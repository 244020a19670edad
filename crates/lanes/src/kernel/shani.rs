//! One, two or three interleaved streams on the x86 SHA instructions.
//!
//! A round pair (`sha256rnds2`) waits four cycles on the one before it, and the unit takes a
//! new one every two: other lanes' rounds fill the gap. Source: Gulley and others, *Intel SHA
//! Extensions* (2013), whose arrangement of the state in two vectors, (a, b, e, f) and
//! (c, d, g, h), this follows.

use super::constants::{Block, K, State};
use std::arch::x86_64::*;

/// Writes a function that takes blocks into a fixed number of lanes.
///
/// A macro and no generic function: the arrays must have gone into registers before the
/// optimiser looks at the rounds, and that it does for literal bounds alone.
macro_rules! interleaved {
    ($name:ident, $lanes:literal) => {
        /// Takes the first `count` blocks of each lane into that lane's state.
        ///
        /// Panics when a lane holds fewer blocks.
        #[target_feature(enable = "sha,sse4.1")]
        pub(super) fn $name(
            states: &mut [State; $lanes],
            lanes: &[&[Block]; $lanes],
            count: usize,
        ) {
            // One bounds check a lane instead of one a block.
            let lanes = lanes.map(|blocks| &blocks[..count]);
            let mut abef = [_mm_setzero_si128(); $lanes];
            let mut cdgh = abef;
            for lane in 0..$lanes {
                (abef[lane], cdgh[lane]) = load_state(&states[lane]);
            }
            for at in 0..count {
                let before = (abef, cdgh);
                let mut w = [[_mm_setzero_si128(); 4]; $lanes];

                macro_rules! load {
                    ($i:literal) => {
                        for lane in 0..$lanes {
                            w[lane][$i] = load_words(&lanes[lane][at], $i);
                        }
                    };
                }
                macro_rules! next_words {
                    ($i:literal) => {
                        for lane in 0..$lanes {
                            let w = &mut w[lane];
                            let partial = _mm_add_epi32(
                                _mm_sha256msg1_epu32(w[$i % 4], w[($i + 1) % 4]),
                                _mm_alignr_epi8::<4>(w[($i + 3) % 4], w[($i + 2) % 4]),
                            );
                            w[$i % 4] = _mm_sha256msg2_epu32(partial, w[($i + 3) % 4]);
                        }
                    };
                }
                macro_rules! four_rounds {
                    ($i:literal) => {
                        for lane in 0..$lanes {
                            let keyed = _mm_add_epi32(w[lane][$i % 4], keys($i));
                            cdgh[lane] = _mm_sha256rnds2_epu32(cdgh[lane], abef[lane], keyed);
                            let keyed = _mm_shuffle_epi32::<0x0e>(keyed);
                            abef[lane] = _mm_sha256rnds2_epu32(abef[lane], cdgh[lane], keyed);
                        }
                    };
                }
                macro_rules! rounds {
                    ($i:literal) => {
                        next_words!($i);
                        four_rounds!($i);
                    };
                }

                load!(0);
                load!(1);
                load!(2);
                load!(3);
                four_rounds!(0);
                four_rounds!(1);
                four_rounds!(2);
                four_rounds!(3);
                // Written out: in a loop, the message words would live in memory.
                rounds!(4);
                rounds!(5);
                rounds!(6);
                rounds!(7);
                rounds!(8);
                rounds!(9);
                rounds!(10);
                rounds!(11);
                rounds!(12);
                rounds!(13);
                rounds!(14);
                rounds!(15);

                for lane in 0..$lanes {
                    abef[lane] = _mm_add_epi32(abef[lane], before.0[lane]);
                    cdgh[lane] = _mm_add_epi32(cdgh[lane], before.1[lane]);
                }
            }
            for lane in 0..$lanes {
                store_state(&mut states[lane], abef[lane], cdgh[lane]);
            }
        }
    };
}

interleaved!(compress1, 1);
interleaved!(compress2, 2);
interleaved!(compress3, 3);

/// The constants of rounds `4 * i` to `4 * i + 3`.
#[inline]
#[target_feature(enable = "sse2")]
fn keys(i: usize) -> __m128i {
    let [a, b, c, d] = [0, 1, 2, 3].map(|k| K.0[4 * i + k].cast_signed());
    _mm_set_epi32(d, c, b, a)
}

/// Message words `4 * i` to `4 * i + 3`.
#[inline]
#[target_feature(enable = "ssse3")]
fn load_words(block: &Block, i: usize) -> __m128i {
    let (quarters, _) = block.as_chunks::<16>();
    let bytes: &[u8; 16] = &quarters[i];
    // SAFETY: `bytes` is a reference to 16 readable bytes, and the load needs no alignment.
    let words = unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) };
    let big_endian = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
    _mm_shuffle_epi8(words, big_endian)
}

/// The state as the instructions want it: (a, b, e, f) and (c, d, g, h).
#[inline]
#[target_feature(enable = "sse4.1")]
fn load_state(state: &State) -> (__m128i, __m128i) {
    let (low, high) = (state[..4].as_ptr(), state[4..].as_ptr());
    // SAFETY: both pointers come from slices of four words, which are 16 readable bytes; the
    // loads need no alignment.
    let (dcba, hgfe) = unsafe { (_mm_loadu_si128(low.cast()), _mm_loadu_si128(high.cast())) };
    let cdab = _mm_shuffle_epi32::<0xb1>(dcba);
    let efgh = _mm_shuffle_epi32::<0x1b>(hgfe);
    (
        _mm_alignr_epi8::<8>(cdab, efgh),
        _mm_blend_epi16::<0xf0>(efgh, cdab),
    )
}

/// The way back from [`load_state`].
#[inline]
#[target_feature(enable = "sse4.1")]
fn store_state(state: &mut State, abef: __m128i, cdgh: __m128i) {
    let feba = _mm_shuffle_epi32::<0x1b>(abef);
    let dchg = _mm_shuffle_epi32::<0xb1>(cdgh);
    let dcba = _mm_blend_epi16::<0xf0>(feba, dchg);
    let hgfe = _mm_alignr_epi8::<8>(dchg, feba);
    let (low, high) = state.split_at_mut(4);
    // SAFETY: both halves are four words, which are 16 writable bytes; the stores need no
    // alignment.
    unsafe {
        _mm_storeu_si128(low.as_mut_ptr().cast(), dcba);
        _mm_storeu_si128(high.as_mut_ptr().cast(), hgfe);
    }
}
