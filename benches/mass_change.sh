#!/usr/bin/env bash
# Very many changes at once, two builds of the agent side by side: benches/mass_change.sh BEFORE AFTER
#   ROUNDS=3    rounds of each, in turn
#   FILES=20000 files made and removed, three times a round
#   ONLY=burst  or `single`: one half alone
# BEFORE and AFTER are binaries; the same one twice shows how far the figures wander. Prints medians, their ratios and
# which targets are reached. Everything happens below a temporary directory (TMPDIR, some 600 MB) and on loopback.
set -euo pipefail
case " $* " in *" --help "* | *" -h "*)
  awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"
  exit
  ;;
esac
if [ $# != 2 ] || [ ! -x "$1" ] || [ ! -x "$2" ]; then
  echo "usage: benches/mass_change.sh BEFORE AFTER (two binaries)" >&2
  exit 2
fi
exec python3 "$(dirname "$0")/mass_change.py" "$1" "$2"
