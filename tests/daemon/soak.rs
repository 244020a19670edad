//! Everything at once, for long: storms, faults of the service and of the disk, package transactions, reloads. What the
//! daemon takes of its host stays as it was. `tests/long soak` does it for an hour, and prints the figures.

use super::disk::{Frozen, STATE};
use super::evidence::{host, run};
use super::harness::{Daemon, DaemonHarness};
use fastrand::Rng;
use harness::front::{Fault, Front};
use harness::moto::{self, REGION};
use std::fs;
use std::time::{Duration, Instant};

/// Seconds where `AGENT_TEST_SOAK` says nothing else.
const SHORT: u64 = 15;
/// Recorded files beside those of the package.
const FILES: usize = 200;
/// Files of one storm.
const STORM: usize = 60;

/// What the process takes at one moment.
#[derive(Clone, Copy, Debug)]
struct Usage {
    rss: u64,
    descriptors: u64,
    threads: u64,
    store: u64,
}

impl Usage {
    const NAMES: [&str; 4] = ["RSS, KiB", "descriptors", "threads", "store, KiB"];

    fn of(daemon: &Daemon<'_>) -> Usage {
        let process = format!("/proc/{}", daemon.id());
        let entries =
            |name: &str| fs::read_dir(format!("{process}/{name}")).map_or(0, Iterator::count);
        let status = fs::read_to_string(format!("{process}/status")).unwrap_or_default();
        let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let rss = rss.and_then(|text| text.split_whitespace().next()?.parse().ok());
        let store = fs::metadata(format!("{process}/root/{STATE}/store.redb"));
        Usage {
            rss: rss.unwrap_or(0),
            descriptors: entries("fd") as u64,
            threads: entries("task") as u64,
            store: store.map_or(0, |data| data.len() / 1024),
        }
    }

    fn figures(self) -> [u64; 4] {
        [self.rss, self.descriptors, self.threads, self.store]
    }
}

fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values[values.len() / 2]
}

fn least(values: Vec<u64>) -> u64 {
    values.into_iter().min().unwrap_or(0)
}

/// What `pick` takes of each of the four quarters of the time, a row for each figure.
fn quarters(seen: &[Usage], pick: fn(Vec<u64>) -> u64) -> [[u64; 4]; 4] {
    std::array::from_fn(|figure| {
        std::array::from_fn(|quarter| {
            let part = &seen[seen.len() * quarter / 4..seen.len() * (quarter + 1) / 4];
            pick(part.iter().map(|usage| usage.figures()[figure]).collect())
        })
    })
}

/// One of the things that go on; those of files leave them as they were.
fn act(
    harness: &DaemonHarness,
    daemon: &Daemon<'_>,
    front: &Front,
    random: &mut Rng,
    version: &mut u32,
) {
    match random.u32(0..10) {
        0..3 => {
            harness.host.shell(&format!(
                "mkdir -p data/storm; for n in $(seq {STORM}); do echo $n > data/storm/$n; done; sleep 0.{}; rm -r data/storm",
                random.u32(1..9)
            ));
        }
        3..5 => {
            let n = random.usize(1..=FILES);
            harness.host.shell(&format!(
                "cp -p data/f{n} ../kept; echo changed >> data/f{n}; sleep 0.{}; cp -p ../kept data/f{n}",
                random.u32(1..9)
            ));
        }
        // Who backs off calls less often than faults come: one outage at a time.
        5 if !front.is_to_fail("PutLogEvents") => {
            let faults = [
                Fault::Page(503, "no"),
                Fault::ResetBefore,
                Fault::ResetAfter,
                Fault::Busy(429, 1),
                Fault::CutReply,
                Fault::Refuse(400, "ThrottlingException", "Rate exceeded"),
                Fault::Trickle,
            ];
            let some: Vec<Fault> = (0..random.usize(1..4))
                .map(|_| faults[random.usize(..faults.len())])
                .collect();
            front.fail("PutLogEvents", &some);
        }
        6 => {
            let frozen = Frozen::below(daemon);
            std::thread::sleep(Duration::from_millis(random.u64(100..2500)));
            drop(frozen);
        }
        7 => {
            // As full as it gets, for a moment; dd(1) says that it is.
            let place = format!("/proc/{}/root/{STATE}/ballast", daemon.id());
            harness.host.shell(&format!(
                "dd if=/dev/zero of={place} bs=64k status=none 2> /dev/null || true; sleep 0.5; rm -f {place}"
            ));
        }
        8 => {
            *version = 3 - *version;
            run(
                harness,
                &format!(
                    "apt install --allow-downgrades tool=1.{version}; rm -f $ROOT/var/cache/apt/archives/*.deb"
                ),
            );
        }
        _ => daemon.signal("HUP"),
    }
}

#[test]
fn a_daemon_under_everything_at_once_stays_as_it_was() {
    let seconds = std::env::var("AGENT_TEST_SOAK")
        .ok()
        .and_then(|text| text.parse().ok());
    let (seconds, is_long) = (seconds.unwrap_or(SHORT), seconds.is_some());
    let group = "/daemon/soak";
    moto::create_group(group);
    let front = Front::new(moto::moto());
    let harness = host(
        "",
        &format!("for n in $(seq {FILES}); do echo $n > data/f$n; done"),
    );
    harness.host.shell(
        "mkdir -p etc/ssl/certs; cp -L /etc/ssl/certs/ca-certificates.crt etc/ssl/certs/
         truncate -s 48M ../disk; mkfs.ext4 -q ../disk",
    );
    harness.configure(&format!(
        "[sinks.cloudwatch_logs]\nenabled = true\nlog_group = \"{group}\"\nlog_stream = \"soak\"\n\
         region = \"{REGION}\"\nendpoint = \"{}\"\n[sinks.file]\npath = \"/var/log/events.jsonl\"\n\
         [scan]\ninterval = \"1m\"\n[spool]\nmax_size = \"16M\"\n",
        front.url()
    ));
    let daemon = harness.start_after_with(&format!("mount -o loop disk root/{STATE}"), |command| {
        command
            .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("AWS_EC2_METADATA_DISABLED", "true");
    });
    harness.until_scanned_by(&daemon);
    let (mut random, mut version, mut acts) = (Rng::with_seed(32), 1, 0);
    let (begin, mut seen) = (Instant::now(), Vec::new());
    while begin.elapsed() < Duration::from_secs(seconds) || acts < 8 {
        act(&harness, &daemon, &front, &mut random, &mut version);
        acts += 1;
        seen.push(Usage::of(&daemon));
    }
    println!(
        "soak: {} s, {acts} acts; median and least of each quarter:",
        begin.elapsed().as_secs()
    );
    let (medians, floors) = (quarters(&seen, median), quarters(&seen, least));
    for (n, name) in Usage::NAMES.iter().enumerate() {
        println!("soak: {name}: {:?}, {:?}", medians[n], floors[n]);
    }
    harness.until("all is well again", |harness| {
        let (exit, status) = harness.status();
        exit == 0 && status["daemon"]["spool"]["events"] == 0
    });
    // A scan has many files open at once, and ends.
    let fewest = seen.iter().map(|usage| usage.descriptors).min();
    harness.until("descriptors are as few as they were", |_| {
        Some(Usage::of(&daemon).descriptors) <= fewest.map(|few| few + 4)
    });
    if is_long {
        // Of the time after everything has happened once; what a scan under way takes for a moment is no growth.
        for (name, [_, early, _, late]) in Usage::NAMES.iter().zip(floors) {
            assert!(late * 4 <= early * 5, "{name} grows: {early} to {late}");
        }
    }
    assert_eq!(daemon.stop(), 0);
    let verify = ["log", "verify", "/var/log/events.jsonl"];
    let ran = harness.host.agent(&verify);
    // What a full spool gave up in a long run is declared.
    let good: &[i32] = if is_long { &[0, 3] } else { &[0] };
    assert!(good.contains(&ran.status), "{ran:#?}");
    assert!(ran.stdout.contains(": nothing is missing"), "{ran:#?}");
}
