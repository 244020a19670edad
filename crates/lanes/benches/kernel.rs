//! Every path against the sha2 crate, in pairs.
//!
//! On a busy machine a figure means little, a ratio of two runs side by side more: each round
//! runs every subject once, and a ratio is taken within its round. Time is processor time. Printed are medians over the
//! rounds, and the spread of the ratio (its 10th and 90th percentile).
//!
//! ```text
//! cargo bench -p sha256-lanes
//! RUSTFLAGS='--cfg sha2_backend="soft"' cargo bench -p sha256-lanes --target-dir target/soft
//! ```
//!
//! The second builds the sha2 crate without SHA instructions: the reference for [`Path::Avx2`].

use rustix::time::{ClockId, clock_gettime};
use sha2::{Digest as _, Sha256};
use sha256_lanes::{Order, Path, Stream, update_many};
use std::hint::black_box;
use std::time::Duration;

const ROUNDS: usize = 41;
/// What one measurement of one subject takes at least.
const LEAST: Duration = Duration::from_millis(8);

fn main() {
    let backend = if cfg!(sha2_backend = "soft") {
        "soft"
    } else {
        "its choice"
    };
    println!(
        "sha2 crate backend: {backend}; detected: {:?}",
        Path::detected()
    );
    for set in [uniform(32, 64 << 10), mix(768), tiny(4096)] {
        bench(&set);
    }
}

struct Set {
    name: &'static str,
    messages: Vec<Vec<u8>>,
}

fn bench(set: &Set) {
    let messages: Vec<&[u8]> = set.messages.iter().map(Vec::as_slice).collect();
    let bytes: usize = messages.iter().map(|m| m.len()).sum();
    let mut subjects: Vec<(String, Box<dyn FnMut() + '_>)> = vec![(
        "sha2 crate".into(),
        Box::new(|| {
            for message in &messages {
                black_box(Sha256::digest(message));
            }
        }),
    )];
    for path in Path::available() {
        for batch in [messages.len(), 64, 16] {
            if batch != messages.len() && (messages.len() <= 64 || path == Path::Portable) {
                continue;
            }
            let (mut order, mut digests) = (Order::default(), Vec::new());
            let messages = &messages;
            subjects.push((
                format!("{} by {batch}", path.name()),
                Box::new(move || {
                    for some in messages.chunks(batch) {
                        order.digest_many(path, some, &mut digests);
                        black_box(&digests);
                    }
                }),
            ));
        }
        let messages = &messages;
        subjects.push((
            format!("{} single", path.name()),
            Box::new(move || {
                for message in messages {
                    let mut stream = Stream::new();
                    update_many(path, &mut [(&mut stream, message)]);
                    black_box(stream.finish());
                }
            }),
        ));
    }

    let repeats: Vec<u32> = subjects
        .iter_mut()
        .map(|(_, run)| {
            let once = time(1, run);
            u32::try_from(LEAST.as_nanos() / once.as_nanos().max(1)).unwrap_or(1) + 1
        })
        .collect();
    let mut times = vec![Vec::new(); subjects.len()];
    for _ in 0..ROUNDS {
        for ((times, repeats), (_, run)) in times.iter_mut().zip(&repeats).zip(&mut subjects) {
            times.push(time(*repeats, run).as_secs_f64() / f64::from(*repeats));
        }
    }

    println!(
        "\n{} ({} messages, {bytes} bytes)",
        set.name,
        messages.len()
    );
    for ((name, _), own) in subjects.iter().zip(&times) {
        let mut ratios: Vec<f64> = times[0].iter().zip(own).map(|(a, b)| a / b).collect();
        let mut own = own.clone();
        ratios.sort_by(f64::total_cmp);
        own.sort_by(f64::total_cmp);
        let at = |sorted: &[f64], percent: usize| sorted[(sorted.len() - 1) * percent / 100];
        #[expect(clippy::cast_precision_loss, reason = "a figure to look at")]
        let (bytes, count) = (bytes as f64, messages.len() as f64);
        println!(
            "  {name:<18} {:6.2} GB/s {:8.0} ns each   x {:.2} ({:.2} to {:.2})",
            bytes / at(&own, 50) / 1e9,
            at(&own, 50) / count * 1e9,
            at(&ratios, 50),
            at(&ratios, 10),
            at(&ratios, 90),
        );
    }
}

/// The processor time of this thread: what other processes take does not count.
fn time(repeats: u32, run: &mut dyn FnMut()) -> Duration {
    let start = processor_time();
    for _ in 0..repeats {
        run();
    }
    processor_time() - start
}

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

fn uniform(count: usize, length: usize) -> Set {
    Set {
        name: "equal",
        messages: vec![vec![0x5a; length]; count],
    }
}

/// Lengths as on an installed system: median 2 KB, 90th percentile 24 KB, 99th 300 KB.
fn mix(count: usize) -> Set {
    let mut random = Random(1);
    let messages = (0..count)
        .map(|_| {
            let points = [
                (0.0, 16.0),
                (0.25, 200.0),
                (0.5, 2e3),
                (0.9, 24e3),
                (0.99, 300e3),
                (1.0, 2e6),
            ];
            let u = random.unit();
            let i = points.windows(2).position(|p| u < p[1].0).unwrap_or(4);
            let ((u0, l0), (u1, l1)): ((f64, f64), (f64, f64)) = (points[i], points[i + 1]);
            let length = l0 * (l1 / l0).powf((u - u0) / (u1 - u0));
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "at most two million"
            )]
            let length = length as usize;
            vec![0x5a; length]
        })
        .collect();
    Set {
        name: "mix",
        messages,
    }
}

fn tiny(count: usize) -> Set {
    let mut random = Random(2);
    let messages = (0..count)
        .map(|_| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "under 200"
            )]
            let length = (random.unit() * 200.0) as usize;
            vec![0x5a; length]
        })
        .collect();
    Set {
        name: "tiny",
        messages,
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let unit = ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64;
        unit
    }
}
