#!/usr/bin/env bash
# How late what is critical is told where another service takes all processors, by the weight that the unit gives the agent:
# benches/busy_services.sh AGENT
#   CHANGES=60   critical files changed for each row, ten a second at most
# AGENT is a binary. Two control groups with the cpu controller (version 1 or 2) are made and removed again, for which it
# needs root. Everything else happens below a temporary directory (TMPDIR).
set -euo pipefail
case " $* " in *" --help "* | *" -h "*)
  awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"
  exit
  ;;
esac
if [ $# != 1 ] || [ ! -x "$1" ]; then
  echo "usage: benches/busy_services.sh AGENT (a binary)" >&2
  exit 2
fi
exec python3 "$(dirname "$0")/busy_services.py" "$1"
