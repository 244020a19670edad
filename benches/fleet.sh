#!/usr/bin/env bash
# A fleet simulated: time until the last host is heard, requests a second, share refused, bytes and dollars, and a
# picture. The ledger, the chain, the heartbeats, the packer and the retries are the agent's; the service is a model of
# CloudWatch Logs' quotas. See crates/ship/examples/fleet. docs/fleet.md has what it printed.
#   benches/fleet.sh [--hosts 10000,100000,1000000] [--stores 1000] [--interval 300] [--seed 1]
set -euo pipefail
case " $* " in *" --help "* | *" -h "*)
  awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"
  exit
  ;;
esac
cd "$(dirname "$0")/.."
exec cargo run --release --locked -q -p agent-ship --example fleet -- --svg docs/fleet-simulation.svg "$@"
