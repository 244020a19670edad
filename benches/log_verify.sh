#!/usr/bin/env bash
# `agent log verify` and the same question on DuckDB, on the same files, in turn: benches/log_verify.sh
#   HOSTS=500 EVENTS=446 HEARTBEATS=50   what is written: by crates/outbox/examples/fleet_log, some 460 MB
#   FILES=500           files that it stands in; 1 is one thread's work for the agent
#   ROUNDS=5            rounds of each
#   AGENT=/path/agent   a build of it; default: that of this tree
#   BEFORE=/path/agent  a second one, in turn with it
# DuckDB is that of target/fleet-python, which tests/run makes. Prints seconds and seconds of the processor of each round,
# medians, ratios of both, what each took of memory, and the load before and after. On a machine that others use as well,
# the ratio of the processor's seconds says more.
set -euo pipefail
case " $* " in *" --help "* | *" -h "*)
  awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"
  exit
  ;;
esac
cd "$(dirname "$0")/.."
hosts=${HOSTS:-500}
logs=target/log-verify
[ -n "${AGENT:-}" ] || cargo build --release --locked -q --bin agent
rm -rf "$logs"
cargo run --release --locked -q -p agent-outbox --example fleet_log -- "$logs" "$hosts" "${EVENTS:-446}" \
  "${HEARTBEATS:-50}" --files "${FILES:-$hosts}"
exec python3 benches/log_verify.py "${AGENT:-target/release/agent}" "$logs" "${ROUNDS:-5}" ${BEFORE:+"$BEFORE"}
