#!/usr/bin/env bash
# The whole program beside its peers, on a tree like an image's, in turn, warm and cold: benches/peers.sh
#   ROUNDS=5            rounds of each
#   SKIP="million …"    leaves parts out: warm lanes cold slow kernel packages rehash cache large starts million
#   AGENT=/path/agent   another build of it
#   AIDE=/path/aide     another AIDE than 0.19.3, which is built from its tag with nettle and kept in target/peers
#   AIDE_SOURCE=… ISAL_SOURCE=…   where git finds AIDE and isa-l_crypto, if not at their makers'
# Needs root (the page cache is dropped) and Debian packages, installed by name; ten minutes on a quiet machine, after
# what it builds. Trees stay in /tmp for the next time. Prints medians, ratios, and which targets are reached.
set -euo pipefail
case " $* " in *" --help "* | *" -h "*)
  awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"
  exit
  ;;
esac
cd "$(dirname "$0")/.."
missing=()
for package in hashdeep debsums openssl coreutils time util-linux python3 nbdkit nbdkit-plugin-dev nbdfuse gcc e2fsprogs; do
  state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$state" = installed ] || missing+=("$package")
done
if [ "${#missing[@]}" -gt 0 ]; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi
case "${AIDE:-}" in
'') benches/peers/build ;;
*) benches/peers/build isal ;;
esac
cargo build --release --locked --bin agent
cargo build --release --locked --package agent-scan --example bare_walk
cargo build --release --locked --package sha256-lanes --example throughput
# Counts blocks by lanes in use: a build of its own, so that what is timed counts nothing.
CARGO_PROFILE_RELEASE_LTO=off cargo build --release --locked --package agent-scan --example check_tree --features tally \
  --target-dir target/lanes
exec python3 benches/peers/main.py
