//! Runs jobs over the lanes of a kernel: all lanes in step, a lane that ends refilled at once.

use super::kernel::Path;
use super::kernel::constants::{Block, State};
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use super::kernel::engine::Wide;
#[cfg(target_arch = "aarch64")]
use super::kernel::engine::{Arm, Md5Neon};
#[cfg(target_arch = "x86_64")]
use super::kernel::engine::{Avx2, Avx512, Md5Avx2, ShaNi};
use super::kernel::engine::{Bank, Engine, Few, Portable, PortableMd5};

/// Where jobs come from and results go.
pub trait Jobs<'a> {
    /// How many jobs there are at most.
    #[cfg_attr(
        not(any(target_arch = "x86_64", target_arch = "aarch64")),
        expect(
            dead_code,
            reason = "no other architecture has a kernel for many lanes alone"
        )
    )]
    fn count(&self) -> usize;
    /// Puts the next job that has blocks into `slot`; the state that it starts from.
    fn start(&mut self, slot: &mut Slot<'a>) -> Option<State>;
    /// Takes the state after the last block of the job `id`.
    fn end(&mut self, id: usize, state: &State);
}

/// How many blocks a slot can put together: a whole message that fits is one run, and the lanes
/// of short messages stay in step.
pub(super) const EDGE: usize = 4;

/// The blocks that a lane has yet to take: a slice of the caller's bytes, and before or after
/// it blocks put together here.
pub struct Slot<'a> {
    id: usize,
    body: &'a [Block],
    edge: [Block; EDGE],
    edge_left: std::ops::Range<usize>,
    edge_first: bool,
}

impl<'a> Slot<'a> {
    const EMPTY: Self = Self {
        id: 0,
        body: &[],
        edge: [[0; 64]; EDGE],
        edge_left: 0..0,
        edge_first: false,
    };

    /// Sets the job to `begun`, then `body`. At least one block must be there.
    pub(super) fn begin(&mut self, id: usize, begun: Option<Block>, body: &'a [Block]) {
        self.id = id;
        self.body = body;
        self.edge_left = 0..usize::from(begun.is_some());
        self.edge_first = true;
        if let Some(block) = begun {
            self.edge[0] = block;
        }
    }

    /// Sets the job to `body`, then the end that `write` writes and counts.
    pub(super) fn conclude(
        &mut self,
        id: usize,
        body: &'a [Block],
        write: impl FnOnce(&mut [Block; EDGE]) -> usize,
    ) {
        self.id = id;
        self.body = body;
        self.edge_left = 0..write(&mut self.edge);
        self.edge_first = false;
    }

    /// The next blocks that lie together. Empty when the job is done.
    #[inline]
    fn run(&self) -> &[Block] {
        if self.on_edge() {
            &self.edge[self.edge_left.clone()]
        } else {
            self.body
        }
    }

    #[inline]
    fn on_edge(&self) -> bool {
        self.body.is_empty() || (self.edge_first && !self.edge_left.is_empty())
    }

    /// Leaves out the first `count` blocks of the run; whether any block is left.
    #[inline]
    fn skip(&mut self, count: usize) -> bool {
        if self.on_edge() {
            self.edge_left.start += count;
        } else {
            self.body = &self.body[count..];
        }
        !(self.body.is_empty() && self.edge_left.is_empty())
    }
}

/// Runs all jobs on `path`, or on what this processor has in its place.
pub(super) fn run<'a>(path: Path, jobs: &mut impl Jobs<'a>) {
    #[cfg(target_arch = "x86_64")]
    {
        let sha = ShaNi::detect();
        match (path, sha) {
            (Path::Avx512, Some(few)) => {
                if let Some(many) = Avx512::detect()
                    && jobs.count() >= AVX512_BEATS_SHA
                {
                    let worthwhile = AVX512_BEATS_SHA;
                    return lanes::<_, 16>(
                        Wide {
                            many,
                            few,
                            worthwhile,
                        },
                        jobs,
                    );
                }
                return lanes::<_, 3>(Few(few), jobs);
            }
            (Path::Avx512, None) => {
                if let Some(many) = Avx512::detect()
                    && jobs.count() >= AVX512_BEATS_PORTABLE
                {
                    let (few, worthwhile) = (Portable, AVX512_BEATS_PORTABLE);
                    return lanes::<_, 16>(
                        Wide {
                            many,
                            few,
                            worthwhile,
                        },
                        jobs,
                    );
                }
            }
            (Path::Avx2, _) => {
                if let Some(many) = Avx2::detect()
                    && jobs.count() >= AVX2_BEATS_PORTABLE
                {
                    let (few, worthwhile) = (Portable, AVX2_BEATS_PORTABLE);
                    return lanes::<_, 8>(
                        Wide {
                            many,
                            few,
                            worthwhile,
                        },
                        jobs,
                    );
                }
            }
            (Path::ShaNi, Some(few)) => return lanes::<_, 3>(Few(few), jobs),
            _ => {}
        }
    }
    #[cfg(target_arch = "aarch64")]
    if path == Path::ArmSha2
        && let Some(few) = Arm::detect()
    {
        return lanes::<_, 3>(Few(few), jobs);
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _: Path = path;
    // The paths of other architectures end here, and every path that the processor lacks.
    lanes::<_, 1>(Few(Portable), jobs);
}

/// The same for MD5.
pub(super) fn run_md5<'a>(path: Path, jobs: &mut impl Jobs<'a>) {
    let few = PortableMd5;
    #[cfg(target_arch = "x86_64")]
    if matches!(path, Path::Avx512 | Path::ShaNi | Path::Avx2)
        && let Some(many) = Md5Avx2::detect()
        && jobs.count() >= MD5_VECTORS_BEAT_PORTABLE
    {
        let worthwhile = MD5_VECTORS_BEAT_PORTABLE;
        return lanes::<_, 8>(
            Wide {
                many,
                few,
                worthwhile,
            },
            jobs,
        );
    }
    #[cfg(target_arch = "aarch64")]
    if path == Path::ArmSha2
        && let Some(many) = Md5Neon::detect()
        && jobs.count() >= MD5_VECTORS_BEAT_PORTABLE
    {
        let worthwhile = MD5_VECTORS_BEAT_PORTABLE;
        return lanes::<_, 4>(
            Wide {
                many,
                few,
                worthwhile,
            },
            jobs,
        );
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _: Path = path;
    lanes::<_, 1>(Few(few), jobs);
}

/// The least number of lanes at which vectors of MD5 beat the md-5 crate: a step of all lanes takes about as long as one
/// of a single stream.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
const MD5_VECTORS_BEAT_PORTABLE: usize = 2;
/// The least number of lanes at which sixteen lanes of AVX-512 beat the SHA instructions: the
/// measured time of one step of all sixteen, over the time of a block on the SHA instructions.
#[cfg(target_arch = "x86_64")]
const AVX512_BEATS_SHA: usize = 10;
/// The same against the sha2 crate without SHA instructions.
#[cfg(target_arch = "x86_64")]
const AVX512_BEATS_PORTABLE: usize = 2;
/// The least number of lanes at which eight lanes of AVX2 beat the sha2 crate.
#[cfg(target_arch = "x86_64")]
const AVX2_BEATS_PORTABLE: usize = 3;

fn lanes<'a, E: Engine<N>, const N: usize>(engine: E, jobs: &mut impl Jobs<'a>) {
    let mut slots = [const { Slot::EMPTY }; N];
    let mut bank = E::Bank::new();
    let mut active = 0;
    while active < N
        && let Some(state) = jobs.start(&mut slots[active])
    {
        bank.put(active, &state);
        active += 1;
    }
    while active > 0 {
        let runs: [&[Block]; N] =
            std::array::from_fn(|lane| slots[if lane < active { lane } else { 0 }].run());
        let count = runs.iter().map(|run| run.len()).min().unwrap_or(0);
        engine.advance(&mut bank, &runs, active, count);
        #[cfg(feature = "tally")]
        super::tally::add(active, count);
        let mut lane = 0;
        while lane < active {
            if slots[lane].skip(count) {
                lane += 1;
                continue;
            }
            jobs.end(slots[lane].id, &bank.get(lane));
            if let Some(state) = jobs.start(&mut slots[lane]) {
                bank.put(lane, &state);
                lane += 1;
            } else {
                // The last lane takes the empty place; its turn to skip comes next.
                active -= 1;
                slots.swap(lane, active);
                let moved = bank.get(active);
                bank.put(lane, &moved);
            }
        }
    }
}
