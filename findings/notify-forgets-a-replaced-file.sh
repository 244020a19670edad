#!/usr/bin/env bash
# One would guess: notify, told to watch a configuration file, tells of every change of it; and of a directory that is not
#   there yet, once it is.
# True: on Linux it watches the inode. Replaced by a rename, as editors and packages write, the file is told as removed
#   once, and from then on no change of it is told, nor that nothing is watched any more; a directory that is not there is
#   refused. Only its parent directory can be watched, with all that happens there.
# Seen with notify 8.2.2 (Linux 6.18, ext4).
set -euo pipefail
case " $* " in *" --help "* | *" -h "*)
  awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"
  exit
  ;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir src watched
cat >Cargo.toml <<'E'
[package]
name = "shown"
version = "0.0.0"
edition = "2024"
[dependencies]
notify = { version = "=8.2.2", default-features = false }
[workspace]
E
cat >src/main.rs <<'E'
use notify::{Event, EventKind, RecursiveMode::NonRecursive, Watcher, recommended_watcher};
use std::sync::mpsc::{Receiver, channel};
use std::{fs, path::Path, time::Duration};

/// Whether a write or a removal is told within a second of the last event.
fn told(what: &str, events: &Receiver<notify::Result<Event>>) {
    let mut kinds = Vec::new();
    while let Ok(Ok(event)) = events.recv_timeout(Duration::from_secs(1)) {
        match event.kind {
            EventKind::Modify(notify::event::ModifyKind::Data(_)) => kinds.push("changed"),
            EventKind::Remove(_) => kinds.push("removed"),
            _ => {}
        }
    }
    println!("{what}: {}", if kinds.is_empty() { "nothing".to_owned() } else { kinds.join(" ") });
}

fn main() {
    let (file, new) = (Path::new("watched/agent.toml"), Path::new("watched/new"));
    fs::write(file, "a").unwrap();
    let (sender, events) = channel();
    let mut watcher = recommended_watcher(sender).unwrap();
    watcher.watch(file, NonRecursive).unwrap();
    let later = watcher.watch(Path::new("watched/later"), NonRecursive);
    println!("a directory that is not there: {}", if later.is_ok() { "watched" } else { "refused" });
    fs::write(file, "b").unwrap();
    told("written in place", &events);
    for which in ["first", "second"] {
        fs::write(new, which).unwrap();
        fs::rename(new, file).unwrap();
        told(&format!("replaced the {which} time"), &events);
    }
    fs::write(file, "c").unwrap();
    told("written after that", &events);
}
E
cargo run --quiet >seen
cat seen
expect() { grep -qxF "$1" seen || { echo "no longer so: $1" >&2; exit 1; }; }
expect 'a directory that is not there: refused'
expect 'written in place: changed'
expect 'replaced the first time: removed'
expect 'replaced the second time: nothing'
expect 'written after that: nothing'
