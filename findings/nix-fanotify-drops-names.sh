#!/usr/bin/env bash
# One would guess: a fanotify group of nix's that is told to report directories and names (FAN_REPORT_DFID_NAME) hands them
#   out with its events.
# True: its reader keeps the fixed part of an event alone. In such a group no event has a descriptor either, so an event
#   says that something was made, and neither what nor where: the information records have to be read by hand.
# Seen with nix 0.32.0 (Linux 6.18). Needs root.
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
manifest 'nix = { version = "=0.32.0", default-features = false, features = ["fanotify"] }'
cat >src/main.rs <<'R'
use nix::sys::fanotify::{EventFFlags, Fanotify, InitFlags, MarkFlags, MaskFlags};
use std::fs::{self, File};

// linux/fanotify.h; nix has no names for them.
const FAN_REPORT_DIR_FID: u32 = 0x400;
const FAN_REPORT_NAME: u32 = 0x800;

fn main() {
    let names = InitFlags::from_bits_retain(FAN_REPORT_DIR_FID | FAN_REPORT_NAME);
    let group = Fanotify::init(InitFlags::FAN_CLASS_NOTIF | names, EventFFlags::O_RDONLY).unwrap();
    fs::create_dir("watched").unwrap();
    let here = File::open(".").unwrap();
    group.mark(MarkFlags::FAN_MARK_ADD, MaskFlags::FAN_CREATE, here, Some("watched")).unwrap();
    fs::write("watched/made", "x").unwrap();
    for event in group.read_events().unwrap() {
        println!("made: {}, descriptor: {}", event.mask() == MaskFlags::FAN_CREATE, event.fd().is_some());
        // All that an event shows; a name is not among it.
        println!("names it: {}", format!("{event:?}").contains("made"));
    }
}
R
cargo run --quiet >seen
cat seen
expect 'made: true, descriptor: false'
expect 'names it: false'
