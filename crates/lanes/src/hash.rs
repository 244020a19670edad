//! The two digests that the lanes compute, behind one interface: blocks, state and padding are alike.

use super::kernel::Path;
use super::kernel::constants::{INITIAL, State};
use super::kernel::md5;
use super::lockstep::{self, Jobs};

/// A digest that the lanes compute.
pub trait Hash: rules::Rules {
    /// Its value.
    type Digest: AsRef<[u8]> + Copy + Eq + std::fmt::Debug;
    /// Room for one.
    const NOTHING: Self::Digest;

    /// How many streams keep a path busy.
    fn lanes(path: Path) -> usize;
    #[doc(hidden)]
    fn of(state: &State) -> Self::Digest;
}

pub(crate) mod rules {
    use super::{Jobs, Path, State};

    /// What sets one digest apart from the other. Nobody else can add one.
    pub trait Rules: Copy + std::fmt::Debug + 'static {
        /// The state before the first block.
        const INITIAL: State;
        /// The number of bits that ends a message, as it stands there.
        fn count(bits: u64) -> [u8; 8];
        /// Runs all jobs on a path, or on what this processor has in its place.
        fn run<'a>(path: Path, jobs: &mut impl Jobs<'a>);
    }
}

/// FIPS 180-4.
#[derive(Clone, Copy, Debug)]
pub struct Sha256;

/// RFC 1321: what dpkg records. Evidence against accidents, none against people.
#[derive(Clone, Copy, Debug)]
pub struct Md5;

impl rules::Rules for Sha256 {
    const INITIAL: State = INITIAL;

    fn count(bits: u64) -> [u8; 8] {
        bits.to_be_bytes()
    }

    fn run<'a>(path: Path, jobs: &mut impl Jobs<'a>) {
        lockstep::run(path, jobs);
    }
}

impl Hash for Sha256 {
    type Digest = [u8; 32];
    const NOTHING: [u8; 32] = [0; 32];

    fn lanes(path: Path) -> usize {
        path.lanes()
    }

    fn of(state: &State) -> [u8; 32] {
        let mut digest = [0; 32];
        for (to, word) in digest.as_chunks_mut().0.iter_mut().zip(state) {
            *to = word.to_be_bytes();
        }
        digest
    }
}

impl rules::Rules for Md5 {
    const INITIAL: State = md5::INITIAL;

    fn count(bits: u64) -> [u8; 8] {
        bits.to_le_bytes()
    }

    fn run<'a>(path: Path, jobs: &mut impl Jobs<'a>) {
        lockstep::run_md5(path, jobs);
    }
}

impl Hash for Md5 {
    type Digest = [u8; 16];
    const NOTHING: [u8; 16] = [0; 16];

    fn lanes(path: Path) -> usize {
        md5::lanes(path)
    }

    fn of(state: &State) -> [u8; 16] {
        let mut digest = [0; 16];
        for (to, word) in digest.as_chunks_mut().0.iter_mut().zip(state) {
            *to = word.to_le_bytes();
        }
        digest
    }
}
