#!/usr/bin/env bash
# The chains of a large fleet on each engine: benches/fleet_engines.sh [agent] [duckdb] [spark]
#   HOSTS=10000 EVENTS=500 HEARTBEATS=500   what is written, by crates/outbox/examples/fleet_log; 0 hosts: what is there
#   COPIES=1              each line so often
#   FILES=100             zstd files that it stands in, the hosts of each mixed
#   LOGS=DIRECTORY        where (target/fleet-logs); 100 million events take some ten GB
#   SPILL=DIRECTORY       temporary files of all engines (LOGS.spill)
#   MEMORY=2GB            what DuckDB may take
#   PARTITIONS="1 2 4"    of Spark, with as many threads
#   SPARK_FILES=FILES     as many of the files for Spark, which reads no zstd by itself: they are unpacked for it
#   LIMIT=1500            seconds; whatever takes longer is ended, and said to have been
#   AGENT=/path/agent     a build of it; default: that of this tree
# DuckDB and Spark are those of target/fleet-python, which tests/run makes. Prints for each what it found, seconds, seconds
# of the processor, MiB at most in memory and of temporary files, and for Spark how the hosts fill the partitions.
set -euo pipefail
case " $* " in *" --help "* | *" -h "*)
  awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"
  exit
  ;;
esac
cd "$(dirname "$0")/.."
logs=${LOGS:-target/fleet-logs} hosts=${HOSTS:-10000} files=${FILES:-100} agent=${AGENT:-target/release/agent}
[ -n "${AGENT:-}" ] || cargo build --release --locked -q --bin agent
if [ "$hosts" -gt 0 ]; then
  rm -rf "$logs"
  cargo run --release --locked -q -p agent-outbox --example fleet_log -- "$logs" "$hosts" "${EVENTS:-500}" \
    "${HEARTBEATS:-500}" --files "$files" --copies "${COPIES:-1}" --zstd
fi
exec python3 benches/fleet_engines.py --agent "$agent" --logs "$logs" --spill "${SPILL:-$logs.spill}" --memory "${MEMORY:-2GB}" \
  --partitions "${PARTITIONS:-1 2 4}" --spark-files "${SPARK_FILES:-$files}" --limit "${LIMIT:-1500}" "${@:-agent}"
