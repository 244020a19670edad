//! What watching a tree costs, and what a watch tells: `cargo run --release -p agent-scan --example watch_setup -- DIR`.
//!
//! Makes DIR with 50,000 directories where it is not there. Prints directories, time and memory; with `--follow` each
//! notice too, one a line, until standard input ends. `--cross-mounts`: what is mounted in it as well.

use agent_baseline::profile::load;
use agent_core::escape::lossless_text;
use agent_scan::files::scope::Scope;
use agent_scan::watch::{Coverage, Notice, Options, Watch, attribution};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Instant;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |option: &str| arguments.iter().any(|argument| argument == option);
    let plain = arguments
        .iter()
        .find(|argument| !argument.starts_with("--"));
    let directory = Path::new(plain.map_or("/tmp/watch_setup", String::as_str));
    if !directory.exists() {
        println!("making 50,000 directories in {}", directory.display());
        for i in 0..50_000 {
            let path = format!(
                "usr/lib/package-{:03}/some-module-{:02}/directory-{i}",
                i / 500,
                i / 50 % 10
            );
            std::fs::create_dir_all(directory.join(path)).expect("made");
        }
    }
    let profile = std::env::temp_dir().join(format!("watch-setup-{}.toml", std::process::id()));
    let text = format!(
        "name = \"all\"\n[[paths]]\npath = \"/\"\nseverity = \"high\"\ncross_mounts = {}\n",
        has("--cross-mounts")
    );
    std::fs::write(&profile, text).expect("written");
    let scope = Scope::current(
        load::named(profile.to_str().expect("UTF-8"))
            .expect("good")
            .path_rules,
    );
    std::fs::remove_file(&profile).expect("removed");

    let (before, kernel_before) = (memory(), kernel());
    let started = Instant::now();
    let (sender, notices) = channel();
    let options = Options {
        root: directory.to_owned(),
        scope: Arc::new(scope),
        linked: Default::default(),
        canary: None,
        attribution: has("--attribution").then(attribution::Options::default),
    };
    let watch = Watch::start(options, move |notice| {
        sender.send(notice).unwrap_or_default()
    });
    let watch = watch.expect("a watch");
    let coverage = loop {
        match notices.recv().expect("a watch") {
            Notice::Coverage(coverage) => break coverage,
            notice => tell(notice),
        }
    };
    let seconds = started.elapsed().as_secs_f64();
    let (after, kernel_after) = (memory(), kernel());
    let Coverage {
        directories,
        left_out,
        reason,
        linked: _,
    } = coverage;
    println!(
        "directories {directories} left_out {} seconds {seconds:.3} own_kib {} kernel_kib {} reason {}",
        left_out.len(),
        after.saturating_sub(before),
        kernel_after.saturating_sub(kernel_before),
        reason.unwrap_or_default(),
    );
    if has("--follow") {
        std::thread::spawn(move || notices.into_iter().for_each(tell));
        std::io::stdin()
            .read_to_end(&mut Vec::new())
            .expect("readable");
    }
    drop(watch);
}

fn tell(notice: Notice) {
    let mut lines = String::new();
    match notice {
        Notice::Touched(touches) => {
            for touch in touches {
                let below = if touch.below { "/" } else { "" };
                lines += &format!("touched {}{below}\n", lossless_text(&touch.path).0);
            }
        }
        notice => lines = format!("{notice:?}\n"),
    }
    let mut out = std::io::stdout().lock();
    out.write_all(lines.as_bytes())
        .and_then(|()| out.flush())
        .unwrap_or_default();
}

/// Resident anonymous memory, in KiB.
fn memory() -> u64 {
    number("/proc/self/status", "RssAnon:")
}

/// What the kernel's caches of small objects hold, all over the machine, in KiB: inodes pinned, watches.
fn kernel() -> u64 {
    number("/proc/meminfo", "Slab:")
}

fn number(file: &str, key: &str) -> u64 {
    let text = std::fs::read_to_string(file).expect("readable");
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    let word = line.and_then(|line| line.split_whitespace().next());
    word.and_then(|word| word.parse().ok()).expect("a number")
}
