//! Takes deviations through the keeper and says what it is sure of, until `killed.rs` kills it.

use host_integrity_agent::finding::{FILES_ADDED, Finding, Severity, Verdict};
use host_integrity_agent::ship::parcel::Delivery;
use host_integrity_agent::store::{Keeper, Scope, Sink};
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
    let mut number: u64 = arguments.next().ok_or("a number")?.parse()?;
    let mut origin = host_integrity_agent::event::Origin::default();
    // The host of the test that looks at what is left.
    origin.host.instance_id = "i-0123456789abcdef0".into();
    let (mut keeper, _) = Keeper::open(Path::new(&directory), 64 << 20, origin, now())
        .map_err(|error| error.to_string())?;
    keeper.enable(&[Sink::Stdout], now());
    let mut out = std::io::stdout();
    let mut after = 0;
    let mut random = fastrand::Rng::new();
    loop {
        let round = keeper.begin(Scope::Path(b"/nowhere".to_vec()));
        // Now and then a flood.
        let count = match random.u8(0..10) {
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
        let parcels = keeper.parcels(Sink::Stdout, after, random.usize(1..50), usize::MAX);
        for parcel in &parcels {
            writeln!(out, "shipped {}", String::from_utf8_lossy(&parcel.bytes))?;
        }
        out.flush()?;
        let delivery = Delivery {
            accepted: parcels.iter().map(|parcel| parcel.key).collect(),
            refused: Vec::new(),
        };
        after = parcels.last().map_or(after, |parcel| parcel.key);
        keeper.settle(Sink::Stdout, &delivery, now());
    }
}
