//! SHA-256 of 32 messages of 64 KiB, over and over, by each path of many lanes that the processor has: the same work as that of
//! isa-l_crypto's `sha256_mb_vs_ossl_perf`, for `benches/peers.sh` to set beside it.
//!
//! Prints `PATH MB/S` a line, megabytes of 10^6 bytes; by processor time, the best of some rounds, since on a busy machine
//! nothing makes one faster than it is.

use rustix::time::{ClockId, clock_gettime};
use sha256_lanes::{Order, Path};
use std::hint::black_box;
use std::time::Duration;

const MESSAGES: usize = 32;
const LENGTH: usize = 64 << 10;
/// Of one measurement.
const LOOPS: u32 = 60;
const ROUNDS: usize = 5;

fn main() {
    let message = vec![0; LENGTH];
    let messages = [message.as_slice(); MESSAGES];
    let (mut order, mut digests) = (Order::default(), Vec::new());
    for path in Path::available() {
        if path == Path::Portable {
            continue;
        }
        let mut round = || {
            let begin = processor_time();
            for _ in 0..LOOPS {
                order.digest_many(path, black_box(&messages), &mut digests);
                black_box(&digests);
            }
            processor_time() - begin
        };
        let best = (0..ROUNDS).map(|_| round()).min().unwrap_or_default();
        let bytes = f64::from(LOOPS) * (MESSAGES * LENGTH) as f64;
        println!("{} {:.0}", path.name(), bytes / best.as_secs_f64() / 1e6);
    }
}

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}
