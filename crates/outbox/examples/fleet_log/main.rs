//! Writes the log of a fleet: events and heartbeats of many hosts, each with a chain that holds.
//!
//! `fleet_log DIRECTORY HOSTS EVENTS HEARTBEATS [--files FILES] [--zstd] [--copies N]` writes so many of each for every host
//! into files of about as many hosts (default: a file each), the hosts of a file one after the other, event by event.
//! `--zstd` has the program of that name compress them; `--copies` writes each line so often.
//!
//! A few hosts are made by the agent's own ledger, store, chain and heartbeats (`model.rs`). The others are those with their
//! ids put in and every link computed anew: a store for each of 100,000 hosts would take days.

mod model;

use model::{Line, Model};
use sha256_lanes::{Order, Path as Lanes};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

/// Hosts whose events are made by the store.
const MODELS: usize = 4;

struct Arguments {
    directory: PathBuf,
    hosts: usize,
    events: u64,
    heartbeats: u64,
    files: usize,
    zstd: bool,
    copies: usize,
}

fn arguments() -> Arguments {
    let number = |text: &str| -> usize { text.parse().unwrap_or_else(|e| panic!("{text}: {e}")) };
    let (mut words, mut options) = (Vec::new(), std::env::args().skip(1));
    let (mut files, mut zstd, mut copies) = (None, false, 1);
    while let Some(word) = options.next() {
        match word.as_str() {
            "--files" => files = options.next(),
            "--zstd" => zstd = true,
            "--copies" => copies = number(&options.next().unwrap_or_default()),
            _ => words.push(word),
        }
    }
    let [directory, hosts, events, heartbeats] = &words[..] else {
        panic!("fleet_log DIRECTORY HOSTS EVENTS HEARTBEATS [--files FILES] [--zstd] [--copies N]");
    };
    let hosts = number(hosts);
    Arguments {
        directory: directory.into(),
        hosts,
        events: number(events) as u64,
        heartbeats: number(heartbeats) as u64,
        files: files
            .as_deref()
            .map_or(hosts, number)
            .clamp(1, hosts.max(1)),
        zstd,
        copies,
    }
}

/// A host of the file, and where its chain stands.
struct Host {
    number: usize,
    /// Digest of its last event.
    last: [u8; 32],
}

/// Writes the file of these hosts.
fn write(
    models: &[Model],
    hosts: Range<usize>,
    copies: usize,
    out: &mut dyn Write,
) -> std::io::Result<u64> {
    let mut hosts: Vec<Host> = hosts
        .map(|number| Host {
            number,
            last: [0; 32],
        })
        .collect();
    let lines = models.iter().map(|model| model.lines.len()).max();
    let (mut order, mut digests, mut bytes) = (Order::default(), Vec::new(), 0);
    let mut texts: Vec<Vec<u8>> = vec![Vec::new(); hosts.len()];
    for at in 0..lines.unwrap_or(0) {
        let line =
            |host: &Host| -> Option<&Line> { models[host.number % models.len()].lines.get(at) };
        for (host, text) in hosts.iter().zip(&mut texts) {
            text.clear();
            if let Some(line) = line(host) {
                line.of_host(host.number, &host.last, text);
            }
        }
        let messages: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
        order.digest_many(Lanes::detected(), &messages, &mut digests);
        for ((host, text), digest) in hosts.iter_mut().zip(&texts).zip(&digests) {
            if line(host).is_some_and(|line| line.is_link) {
                host.last = *digest;
            }
            for _ in 0..if text.is_empty() { 0 } else { copies } {
                out.write_all(text)?;
                out.write_all(b"\n")?;
                bytes += text.len() as u64 + 1;
            }
        }
    }
    Ok(bytes)
}

fn write_file(
    models: &[Model],
    hosts: Range<usize>,
    to: &Path,
    arguments: &Arguments,
) -> std::io::Result<u64> {
    let name = format!("{:06}.jsonl", hosts.start);
    if !arguments.zstd {
        let mut out = BufWriter::with_capacity(1 << 20, File::create(to.join(name))?);
        let bytes = write(models, hosts, arguments.copies, &mut out)?;
        out.flush()?;
        return Ok(bytes);
    }
    let mut zstd = Command::new("zstd")
        .args(["-q", "-1", "-f", "-o"])
        .arg(to.join(name + ".zst"))
        .stdin(Stdio::piped())
        .spawn()?;
    let pipe = zstd.stdin.take().ok_or(std::io::ErrorKind::BrokenPipe)?;
    let mut out = BufWriter::with_capacity(1 << 20, pipe);
    let bytes = write(models, hosts, arguments.copies, &mut out)?;
    drop(out.into_inner().map_err(|error| error.into_error())?);
    match zstd.wait()?.success() {
        true => Ok(bytes),
        false => Err(std::io::Error::other("zstd failed")),
    }
}

fn main() {
    let arguments = arguments();
    std::fs::create_dir_all(&arguments.directory).expect("the directory");
    let models: Vec<Model> = (0..MODELS.min(arguments.hosts.max(1)))
        .map(|number| Model::make(number, arguments.events, arguments.heartbeats))
        .collect();
    let share = arguments.hosts.div_ceil(arguments.files);
    let starts: Vec<usize> = (0..arguments.hosts).step_by(share.max(1)).collect();
    let next = Mutex::new(starts.iter());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let bytes: u64 = std::thread::scope(|scope| {
        let work = || {
            let mut bytes = 0;
            while let Some(start) = next.lock().expect("nobody panicked").next() {
                let hosts = *start..(start + share).min(arguments.hosts);
                bytes +=
                    write_file(&models, hosts, &arguments.directory, &arguments).expect("written");
            }
            bytes
        };
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        running
            .into_iter()
            .map(|one| one.join().expect("it ended"))
            .sum()
    });
    let lines: usize = models.iter().map(|model| model.lines.len()).sum::<usize>() / models.len();
    println!(
        "{} hosts, {} files, {lines} events and heartbeats a host, {bytes} bytes before compression",
        arguments.hosts,
        starts.len()
    );
}
