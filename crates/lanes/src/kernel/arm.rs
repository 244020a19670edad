//! One, two or three interleaved streams on the SHA-256 instructions of AArch64.
//!
//! Source: Arm Architecture Reference Manual for A-profile, SHA256H, SHA256H2, SHA256SU0 and
//! SHA256SU1. A round instruction waits on the one before it, so other lanes' rounds fill the
//! gap; with thirty-two vector registers three lanes need no memory.

use super::constants::{Block, K, State};
use std::arch::aarch64::*;

/// Writes a function that takes blocks into a fixed number of lanes.
macro_rules! interleaved {
    ($name:ident, $lanes:literal) => {
        /// Takes the first `count` blocks of each lane into that lane's state.
        ///
        /// Panics when a lane holds fewer blocks.
        #[target_feature(enable = "neon,sha2")]
        pub(super) fn $name(
            states: &mut [State; $lanes],
            lanes: &[&[Block]; $lanes],
            count: usize,
        ) {
            // One bounds check a lane instead of one a block.
            let lanes = lanes.map(|blocks| &blocks[..count]);
            let mut abcd = [vdupq_n_u32(0); $lanes];
            let mut efgh = abcd;
            for lane in 0..$lanes {
                (abcd[lane], efgh[lane]) = load_state(&states[lane]);
            }
            for at in 0..count {
                let before = (abcd, efgh);
                let mut w = [[vdupq_n_u32(0); 4]; $lanes];

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
                            let partial = vsha256su0q_u32(w[$i % 4], w[($i + 1) % 4]);
                            w[$i % 4] = vsha256su1q_u32(partial, w[($i + 2) % 4], w[($i + 3) % 4]);
                        }
                    };
                }
                macro_rules! four_rounds {
                    ($i:literal) => {
                        for lane in 0..$lanes {
                            let keyed = vaddq_u32(w[lane][$i % 4], keys($i));
                            let old = abcd[lane];
                            abcd[lane] = vsha256hq_u32(old, efgh[lane], keyed);
                            efgh[lane] = vsha256h2q_u32(efgh[lane], old, keyed);
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
                    abcd[lane] = vaddq_u32(abcd[lane], before.0[lane]);
                    efgh[lane] = vaddq_u32(efgh[lane], before.1[lane]);
                }
            }
            for lane in 0..$lanes {
                store_state(&mut states[lane], abcd[lane], efgh[lane]);
            }
        }
    };
}

interleaved!(compress1, 1);
interleaved!(compress2, 2);
interleaved!(compress3, 3);

/// The constants of rounds `4 * i` to `4 * i + 3`.
#[inline]
#[target_feature(enable = "neon")]
fn keys(i: usize) -> uint32x4_t {
    let (quarters, _) = K.0.as_chunks::<4>();
    let four: &[u32; 4] = &quarters[i];
    // SAFETY: `four` is a reference to four readable words.
    unsafe { vld1q_u32(four.as_ptr()) }
}

/// Message words `4 * i` to `4 * i + 3`.
#[inline]
#[target_feature(enable = "neon")]
fn load_words(block: &Block, i: usize) -> uint32x4_t {
    let (quarters, _) = block.as_chunks::<16>();
    let bytes: &[u8; 16] = &quarters[i];
    // SAFETY: `bytes` is a reference to 16 readable bytes.
    let words = unsafe { vld1q_u8(bytes.as_ptr()) };
    vreinterpretq_u32_u8(vrev32q_u8(words))
}

#[inline]
#[target_feature(enable = "neon")]
fn load_state(state: &State) -> (uint32x4_t, uint32x4_t) {
    let (low, high) = (state[..4].as_ptr(), state[4..].as_ptr());
    // SAFETY: both pointers come from slices of four readable words.
    unsafe { (vld1q_u32(low), vld1q_u32(high)) }
}

#[inline]
#[target_feature(enable = "neon")]
fn store_state(state: &mut State, abcd: uint32x4_t, efgh: uint32x4_t) {
    let (low, high) = state.split_at_mut(4);
    // SAFETY: both halves are four writable words.
    unsafe {
        vst1q_u32(low.as_mut_ptr(), abcd);
        vst1q_u32(high.as_mut_ptr(), efgh);
    }
}
