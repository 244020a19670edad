//! What the lock-step loop needs of a kernel, and the proofs that this processor has it.
//!
//! A kernel's type can be had only from a `detect` that asked the processor. That is what makes
//! calling its `#[target_feature]` function sound, whatever [`Path`](super::Path) a caller asks
//! for.

use super::constants::{Block, State};
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use super::words::Words;

/// Runs up to `N` lanes side by side.
pub(crate) trait Engine<const N: usize>: Copy {
    /// The states of the lanes, in the arrangement that the kernel likes.
    type Bank: Bank;

    /// Takes the first `count` blocks of each of the first `active` lanes.
    ///
    /// Lanes past `active` hold at least `count` blocks too, of any contents; their states may
    /// come out changed.
    fn advance(self, bank: &mut Self::Bank, lanes: &[&[Block]; N], active: usize, count: usize);
}

/// The states of lanes under way.
pub(crate) trait Bank {
    /// A bank of arbitrary states.
    fn new() -> Self;
    /// Sets the state of a lane.
    fn put(&mut self, lane: usize, state: &State);
    /// The state of a lane.
    fn get(&self, lane: usize) -> State;
}

impl<const N: usize> Bank for [State; N] {
    fn new() -> Self {
        [[0; 8]; N]
    }

    #[inline]
    fn put(&mut self, lane: usize, state: &State) {
        self[lane] = *state;
    }

    #[inline]
    fn get(&self, lane: usize) -> State {
        self[lane]
    }
}

/// A kernel that takes any number of lanes, a few at a time.
pub(crate) trait Narrow: Copy {
    /// Takes the first `count` blocks of each lane.
    fn run(self, states: &mut [State], lanes: &[&[Block]], count: usize);
}

/// Any [`Narrow`] kernel as an [`Engine`].
#[derive(Clone, Copy)]
pub(crate) struct Few<K>(pub(crate) K);

impl<K: Narrow, const N: usize> Engine<N> for Few<K> {
    type Bank = [State; N];

    #[inline]
    fn advance(self, bank: &mut [State; N], lanes: &[&[Block]; N], active: usize, count: usize) {
        self.0.run(&mut bank[..active], &lanes[..active], count);
    }
}

/// The sha2 crate's own compression function, which looks for SHA instructions itself.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

impl Narrow for Portable {
    fn run(self, states: &mut [State], lanes: &[&[Block]], count: usize) {
        for (state, blocks) in states.iter_mut().zip(lanes) {
            sha2::block_api::compress256(state, &blocks[..count]);
        }
    }
}

/// The md-5 crate's compression function.
#[derive(Clone, Copy)]
pub(crate) struct PortableMd5;

impl Narrow for PortableMd5 {
    fn run(self, states: &mut [State], lanes: &[&[Block]], count: usize) {
        for (state, blocks) in states.iter_mut().zip(lanes) {
            let (words, _) = state.as_chunks_mut::<4>();
            if let Some(words) = words.first_mut() {
                md5::block_api::compress(words, &blocks[..count]);
            }
        }
    }
}

/// Splits lanes over kernels for three, two and one. Four are two pairs: a single lane at the
/// end would leave the unit idle half the time.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn by_threes(
    mut states: &mut [State],
    mut lanes: &[&[Block]],
    one: impl Fn(&mut [State; 1], &[&[Block]; 1]),
    two: impl Fn(&mut [State; 2], &[&[Block]; 2]),
    three: impl Fn(&mut [State; 3], &[&[Block]; 3]),
) {
    while !lanes.is_empty() {
        let take = match lanes.len() {
            1 => 1,
            2 | 4 => 2,
            _ => 3,
        };
        let (s, other_states) = states.split_at_mut(take);
        let (l, other_lanes) = lanes.split_at(take);
        if let (Some(s), Some(l)) = (s.first_chunk_mut(), l.first_chunk()) {
            three(s, l);
        } else if let (Some(s), Some(l)) = (s.first_chunk_mut(), l.first_chunk()) {
            two(s, l);
        } else if let (Some(s), Some(l)) = (s.first_chunk_mut(), l.first_chunk()) {
            one(s, l);
        }
        (states, lanes) = (other_states, other_lanes);
    }
}

/// A kernel that takes exactly `N` lanes.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(crate) trait WideKernel<const N: usize>: Copy {
    /// Takes the first `count` blocks of each lane.
    fn compress(self, words: &mut Words<N>, lanes: &[&[Block]; N], count: usize);
}

/// A wide kernel for many lanes, with a narrow one for the few that are left at the end.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[derive(Clone, Copy)]
pub(crate) struct Wide<W, F> {
    /// The kernel for many.
    pub(crate) many: W,
    /// The kernel for few.
    pub(crate) few: F,
    /// How many lanes make the wide kernel the faster one, empty lanes and all.
    pub(crate) worthwhile: usize,
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
impl<W: WideKernel<N>, F: Narrow, const N: usize> Engine<N> for Wide<W, F> {
    type Bank = Words<N>;

    #[inline]
    fn advance(self, bank: &mut Words<N>, lanes: &[&[Block]; N], active: usize, count: usize) {
        if active >= self.worthwhile {
            self.many.compress(bank, lanes, count);
            return;
        }
        let mut states = [[0; 8]; N];
        for (lane, state) in states[..active].iter_mut().enumerate() {
            *state = bank.get(lane);
        }
        self.few.run(&mut states[..active], &lanes[..active], count);
        for (lane, state) in states[..active].iter().enumerate() {
            bank.put(lane, state);
        }
    }
}

#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512, Md5Avx2, ShaNi};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::super::words::Words;
    use super::super::{avx2, avx512, md5, shani};
    use super::{Block, Narrow, State, WideKernel, by_threes};
    use std::arch::is_x86_feature_detected;

    /// Proof of the SHA instructions.
    #[derive(Clone, Copy)]
    pub(crate) struct ShaNi(());

    impl ShaNi {
        /// Asks the processor; std keeps its answer.
        pub(crate) fn detect() -> Option<Self> {
            (is_x86_feature_detected!("sha") && is_x86_feature_detected!("sse4.1"))
                .then_some(Self(()))
        }
    }

    impl Narrow for ShaNi {
        fn run(self, states: &mut [State], lanes: &[&[Block]], count: usize) {
            by_threes(
                states,
                lanes,
                // SAFETY: `self` exists only where `detect` found sha and sse4.1, here and in
                // the two below.
                |s, l| unsafe { shani::compress1(s, l, count) },
                // SAFETY: as above.
                |s, l| unsafe { shani::compress2(s, l, count) },
                // SAFETY: as above.
                |s, l| unsafe { shani::compress3(s, l, count) },
            );
        }
    }

    /// Proof of AVX2.
    #[derive(Clone, Copy)]
    pub(crate) struct Avx2(());

    impl Avx2 {
        /// Asks the processor; std keeps its answer.
        pub(crate) fn detect() -> Option<Self> {
            is_x86_feature_detected!("avx2").then_some(Self(()))
        }
    }

    impl WideKernel<{ avx2::LANES }> for Avx2 {
        #[inline]
        fn compress(self, words: &mut Words<8>, lanes: &[&[Block]; 8], count: usize) {
            // SAFETY: `self` exists only where `detect` found avx2.
            unsafe { avx2::compress(words, lanes, count) }
        }
    }

    /// Proof of AVX2, for MD5.
    #[derive(Clone, Copy)]
    pub(crate) struct Md5Avx2(Avx2);

    impl Md5Avx2 {
        /// Asks the processor; std keeps its answer.
        pub(crate) fn detect() -> Option<Self> {
            Avx2::detect().map(Self)
        }
    }

    impl WideKernel<{ md5::avx2::LANES }> for Md5Avx2 {
        #[inline]
        fn compress(self, words: &mut Words<8>, lanes: &[&[Block]; 8], count: usize) {
            let Self(Avx2(())) = self;
            // SAFETY: `self` exists only where `detect` found avx2.
            unsafe { md5::avx2::compress(words, lanes, count) }
        }
    }

    /// Proof of AVX-512.
    #[derive(Clone, Copy)]
    pub(crate) struct Avx512(());

    impl Avx512 {
        /// Asks the processor; std keeps its answer.
        pub(crate) fn detect() -> Option<Self> {
            (is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw"))
                .then_some(Self(()))
        }
    }

    impl WideKernel<{ avx512::LANES }> for Avx512 {
        #[inline]
        fn compress(self, words: &mut Words<16>, lanes: &[&[Block]; 16], count: usize) {
            // SAFETY: `self` exists only where `detect` found avx512f and avx512bw.
            unsafe { avx512::compress(words, lanes, count) }
        }
    }
}

#[cfg(target_arch = "aarch64")]
pub(crate) use aarch64::{Arm, Md5Neon};

#[cfg(target_arch = "aarch64")]
mod aarch64 {
    use super::super::words::Words;
    use super::super::{arm, md5};
    use super::{Block, Narrow, State, WideKernel, by_threes};
    use std::arch::is_aarch64_feature_detected;

    /// Proof of the SHA-256 instructions.
    #[derive(Clone, Copy)]
    pub(crate) struct Arm(());

    impl Arm {
        /// Asks the processor; std keeps its answer.
        pub(crate) fn detect() -> Option<Self> {
            (is_aarch64_feature_detected!("sha2") && is_aarch64_feature_detected!("neon"))
                .then_some(Self(()))
        }
    }

    impl Narrow for Arm {
        fn run(self, states: &mut [State], lanes: &[&[Block]], count: usize) {
            by_threes(
                states,
                lanes,
                // SAFETY: `self` exists only where `detect` found sha2 and neon, here and in
                // the two below.
                |s, l| unsafe { arm::compress1(s, l, count) },
                // SAFETY: as above.
                |s, l| unsafe { arm::compress2(s, l, count) },
                // SAFETY: as above.
                |s, l| unsafe { arm::compress3(s, l, count) },
            );
        }
    }

    /// Proof of NEON, for MD5.
    #[derive(Clone, Copy)]
    pub(crate) struct Md5Neon(());

    impl Md5Neon {
        /// Asks the processor; std keeps its answer.
        pub(crate) fn detect() -> Option<Self> {
            is_aarch64_feature_detected!("neon").then_some(Self(()))
        }
    }

    impl WideKernel<{ md5::neon::LANES }> for Md5Neon {
        #[inline]
        fn compress(self, words: &mut Words<4>, lanes: &[&[Block]; 4], count: usize) {
            // SAFETY: `self` exists only where `detect` found neon.
            unsafe { md5::neon::compress(words, lanes, count) }
        }
    }
}
