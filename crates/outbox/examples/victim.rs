//! Takes deviations through the keeper, in a process of its own.
//!
//! `victim DIRECTORY NUMBER` says what it is sure of until `killed.rs` kills it; `victim DIRECTORY flood
//! COUNT` takes so many at once through, and says what that took, for `bench.rs`.

use agent_core::finding::{FILES_ADDED, FILES_CHANGED, Finding, Severity, Verdict};
use agent_outbox::parcel::Delivery;
use agent_outbox::store::{Keeper, Scope, Sink};
use serde_json::json;
use std::io::Write;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

fn now() -> i64 {
    let elapsed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(0)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().ok_or("a directory")?;
    let what = arguments.next().ok_or("a number, or flood")?;
    let mut origin = agent_outbox::event::Origin::default();
    // The host of the test that looks at what is left.
    origin.host.instance_id = "i-0123456789abcdef0".into();
    let (mut keeper, _) = Keeper::open(Path::new(&directory), 256 << 20, origin, now())
        .map_err(|error| error.to_string())?;
    keeper.enable(&[Sink::Stdout], now());
    match what.as_str() {
        "flood" => {
            let count = arguments.next().ok_or("a count")?.parse()?;
            flood(keeper, &directory, count)
        }
        number => until_killed(keeper, number.parse()?),
    }
}

fn until_killed(mut keeper: Keeper, mut number: u64) -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::stdout();
    let mut random = fastrand::Rng::new();
    loop {
        let round = keeper.begin(Scope::Path(b"/nowhere".to_vec()));
        // Now and then a flood.
        let count = match random.u8(0..40) {
            0 => random.u64(101..400),
            _ => random.u64(1..30),
        };
        for _ in 0..count {
            let path = format!("/{number}");
            let finding = Finding::new(
                &FILES_ADDED,
                Verdict::Fail,
                Severity::High,
                path,
                "was added",
            );
            keeper.found(round, &finding, None, now());
            number += 1;
        }
        keeper.end(round, now());
        keeper.commit(now());
        writeln!(out, "found {}.", number - 1)?;
        keeper.tick(now());
        let parcels = keeper.parcels(Sink::Stdout, random.usize(1..50), usize::MAX);
        for parcel in &parcels {
            writeln!(out, "shipped {}", String::from_utf8_lossy(&parcel.bytes))?;
        }
        out.flush()?;
        let delivery = Delivery {
            accepted: parcels.iter().map(|parcel| parcel.key).collect(),
            refused: Vec::new(),
        };
        keeper.settle(Sink::Stdout, &delivery, now());
    }
}

fn found(number: u64) -> Finding {
    let evidence = |digest: &str| {
        json!({
            "size": number, "mtime": "2026-11-22T06:13:19.223456789Z",
            "sha256": format!("{number:016x}{}", digest.repeat(24)),
        })
    };
    let path = format!("/usr/lib/{}/{number}/some-file.so", number % 997);
    let message = "changed since the image was recorded: contents, size 1 → 2, mtime";
    let severity = Severity::WORST_FIRST[usize::try_from(number % 4).unwrap_or(0)];
    Finding::new(&FILES_CHANGED, Verdict::Fail, severity, path, message)
        .evidence(evidence("ab"), evidence("cd"))
        .remediation("find out who did it; restore the file from the image, or record the image anew if it is meant")
}

fn flood(
    mut keeper: Keeper,
    directory: &str,
    count: u64,
) -> Result<(), Box<dyn std::error::Error>> {
    for look in ["first", "second"] {
        let began = std::time::Instant::now();
        let round = keeper.begin(Scope::Files);
        for number in 0..count {
            keeper.found(round, &found(number), None, now());
        }
        keeper.end(round, now());
        keeper.commit(now());
        while let Some(wait) = keeper.tick(now()).filter(|wait| *wait < 2000) {
            std::thread::sleep(std::time::Duration::from_millis(wait.unsigned_abs()));
        }
        let told = began.elapsed().as_secs_f64();
        let pending = keeper.pending(now());
        let file = std::fs::metadata(Path::new(directory).join("store.redb"))?.len();
        let mut shipped = 0;
        loop {
            let parcels = keeper.parcels(Sink::Stdout, 500, 1 << 20);
            if parcels.is_empty() {
                break;
            }
            shipped += parcels.len();
            let delivery = Delivery {
                accepted: parcels.iter().map(|parcel| parcel.key).collect(),
                refused: Vec::new(),
            };
            keeper.settle(Sink::Stdout, &delivery, now());
            keeper.commit(now());
        }
        let status = std::fs::read_to_string("/proc/self/status")?;
        let peak = status.lines().find(|line| line.starts_with("VmHWM"));
        let peak = peak
            .and_then(|line| line.split_whitespace().nth(1))
            .unwrap_or("0");
        let line = json!({
            "look": look, "seconds_to_tell": told, "seconds": began.elapsed().as_secs_f64(),
            "peak_kib": peak.parse::<u64>()?, "file": file, "payload": pending.bytes,
            "dropped": pending.dropped, "open": pending.open, "shipped": shipped,
        });
        println!("{line}");
    }
    Ok(())
}
