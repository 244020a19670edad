#!/usr/bin/env bash
# One would guess: sysinfo's Process::exe(), where the program of a running process was replaced or removed, is None, or has
#   the " (deleted)" of /proc/PID/exe.
# True: it gives the path without a word. Where another file lies there by now, that file is named as what runs: a digest
#   of exe() is one of a program that this process never ran.
# Seen with sysinfo 0.40.1 (Linux 6.18).
set -euo pipefail
case " $* " in *" --help "* | *" -h "*)
  awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"
  exit
  ;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir src
manifest() {
  printf '[package]\nname = "shown"\nversion = "0.0.0"\nedition = "2024"\n[dependencies]\n%s\n[workspace]\n' "$1" >Cargo.toml
}
expect() { grep -qxF "$1" seen || { echo "no longer so: $1" >&2; exit 1; }; }
manifest 'sysinfo = { version = "=0.40.1", default-features = false, features = ["system"] }'
cat >src/main.rs <<'R'
use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::{fs, thread, time::Duration};
use sysinfo::{Pid, System};

fn main() {
    let sleep = if fs::exists("/usr/bin/sleep").unwrap() { "/usr/bin/sleep" } else { "/bin/sleep" };
    fs::copy(sleep, "program").unwrap();
    let mut child = Command::new("./program").arg("60").spawn().unwrap();
    thread::sleep(Duration::from_millis(500));
    fs::copy("/bin/cat", "new").unwrap();
    fs::rename("new", "program").unwrap();
    let system = System::new_all().unwrap();
    let exe = system.process(Pid::from_u32(child.id())).and_then(|process| process.exe()).map(|exe| exe.to_owned());
    let link = fs::read_link(format!("/proc/{}/exe", child.id())).unwrap();
    println!("kernel: {}", link.file_name().unwrap().display());
    println!("sysinfo: {}", exe.as_ref().map_or("none".into(), |exe| exe.file_name().unwrap().display().to_string()));
    let runs = fs::metadata(format!("/proc/{}/exe", child.id())).unwrap();
    let named = exe.and_then(|exe| fs::metadata(exe).ok());
    println!("the same file: {}", named.is_some_and(|named| named.ino() == runs.ino()));
    child.kill().unwrap();
    child.wait().unwrap();
}
R
cargo run --quiet >seen
cat seen
expect 'kernel: program (deleted)'
expect 'sysinfo: program'
expect 'the same file: false'
