#!/usr/bin/env bash
# One would guess: walkdir with same_file_system(true) stays within one mount, as its name and find(1)'s -xdev suggest to
#   who asks that nothing mounted over a tree is entered.
# True: it compares device numbers. A directory bound from elsewhere on the same file system has the same one, and is
#   entered like any other: what lies there is another place's.
# Seen with walkdir 2.5.1 (Linux 6.18, ext4). Needs root, for a mount namespace of its own.
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
manifest 'walkdir = "=2.5.1"'
cat >src/main.rs <<'R'
fn main() {
    for entry in walkdir::WalkDir::new("tree").same_file_system(true).sort_by_file_name() {
        println!("{}", entry.unwrap().path().display());
    }
}
R
cargo build --quiet
mkdir -p tree/bound tree/other elsewhere
touch elsewhere/file
unshare -m sh -c 'mount --bind elsewhere tree/bound && mount -t tmpfs none tree/other && touch tree/other/file && target/debug/shown' >seen
cat seen
expect tree/bound/file
! grep -qxF tree/other/file seen || { echo 'no longer so: another file system is left out' >&2; exit 1; }
