//! Takes deviations through the engine, in a process of its own.
//!
//! `victim DIRECTORY NUMBER` says what it is sure of until `killed.rs` kills it; `victim DIRECTORY flood
//! COUNT` takes so many at once through, and says what that took, for `bench.rs`.

use agent_core::finding::{FILES_ADDED, FILES_CHANGED, Finding, Severity, Verdict};
use agent_outbox::parcel::Delivery;
use agent_outbox::store::{Scope, SinkKind, Store};
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
    let mut source = agent_outbox::event::EventSource::default();
    // The host of the test that looks at what is left.
    source.host.instance_id = "i-0123456789abcdef0".into();
    let (mut store, _) = Store::open(Path::new(&directory), 256 << 20, source, now())
        .map_err(|error| error.to_string())?;
    store.enable(&[SinkKind::Stdout], now());
    match what.as_str() {
        "flood" => {
            let count = arguments.next().ok_or("a count")?.parse()?;
            flood(store, &directory, count)
        }
        number => until_killed(store, number.parse()?),
    }
}

fn until_killed(mut store: Store, mut number: u64) -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::stdout();
    let mut random = fastrand::Rng::new();
    loop {
        let scan_id = store.begin(Scope::Path(b"/nowhere".to_vec()));
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
            store.found(scan_id, &finding, None, now());
            number += 1;
        }
        store.end(scan_id, now());
        store.commit(now());
        writeln!(out, "found {}.", number - 1)?;
        store.tick(now());
        let parcels = store.parcels(SinkKind::Stdout, random.usize(1..50), usize::MAX);
        for parcel in &parcels {
            writeln!(out, "shipped {}", String::from_utf8_lossy(&parcel.bytes))?;
        }
        out.flush()?;
        let delivery = Delivery {
            accepted: parcels.iter().map(|parcel| parcel.key).collect(),
            refused: Vec::new(),
        };
        store.settle(SinkKind::Stdout, &delivery, now());
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

fn flood(mut store: Store, directory: &str, count: u64) -> Result<(), Box<dyn std::error::Error>> {
    for look in ["first", "second"] {
        let began = std::time::Instant::now();
        let scan_id = store.begin(Scope::Files);
        for number in 0..count {
            store.found(scan_id, &found(number), None, now());
        }
        store.end(scan_id, now());
        store.commit(now());
        while let Some(wait) = store.tick(now()).filter(|wait| *wait < 2000) {
            std::thread::sleep(std::time::Duration::from_millis(wait.unsigned_abs()));
        }
        let told = began.elapsed().as_secs_f64();
        let pending = store.pending(now());
        let file = std::fs::metadata(Path::new(directory).join("store.redb"))?.len();
        let mut shipped = 0;
        loop {
            let parcels = store.parcels(SinkKind::Stdout, 500, 1 << 20);
            if parcels.is_empty() {
                break;
            }
            shipped += parcels.len();
            let delivery = Delivery {
                accepted: parcels.iter().map(|parcel| parcel.key).collect(),
                refused: Vec::new(),
            };
            store.settle(SinkKind::Stdout, &delivery, now());
            store.commit(now());
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
