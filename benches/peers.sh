#!/usr/bin/env bash
# The whole program beside its peers, on a tree like an image's, in turn, warm and cold: benches/peers.sh
#   ROUNDS=5         rounds of each
#   AIDE=/path/aide  another AIDE than the distribution's
#   KERNEL=1         also the rows of the SHA-256 kernel alone: builds twice more, the second time for the sha2
#                    crate without SHA instructions
#   PACKAGES=1       also the first run on this host, without a manifest, beside dpkg --verify and debsums
#   MILLION=1        also the rows that need a tree of 1,000,000 files
# Needs root (the page cache is dropped) and Debian packages, installed by name. Prints medians, ratios, and
# which targets are reached.
set -euo pipefail
case " $* " in *" --help "* | *" -h "*)
  awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"
  exit
  ;;
esac
cd "$(dirname "$0")/.."
missing=()
for package in aide hashdeep debsums openssl coreutils time util-linux python3; do
  state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$state" = installed ] || missing+=("$package")
done
if [ "${#missing[@]}" -gt 0 ]; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi
cargo build --release --locked --bin agent
cargo build --release --locked --package agent-scan --example bare_walk
# Counts blocks by lanes in use: a build of its own, so that what is timed counts nothing.
cargo build --release --locked --package agent-scan --example check_tree --features tally --target-dir target/lanes
exec python3 benches/peers.py
