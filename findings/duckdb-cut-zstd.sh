#!/usr/bin/env bash
# One would guess: a compressed file that was cut off within (an export that broke, a copy that is not done) is an error,
#   whatever it is compressed by.
# True: of a gzip file it is one ("Unexpected end of GZIP stream"), and an empty file of that name is one as well. A zstd
#   file that ends within is read up to there, as if it were whole: no error, nothing in reject_errors, rows missing.
# Seen with duckdb 2.0.1.
set -euo pipefail
case " $* " in *" --help "* | *" -h "*)
  awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"
  exit
  ;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'duckdb==2.0.1'
# Text that does not shrink to nothing, so that half of the file is about half of the lines.
head -c 600000 /dev/urandom | base64 -w 200 >"$work/whole.log"
gzip -k "$work/whole.log"
zstd -q "$work/whole.log"
for ending in gz zst; do
  head -c $(($(stat -c %s "$work/whole.log.$ending") / 2)) "$work/whole.log.$ending" >"$work/cut.log.$ending"
done
: >"$work/empty.log.gz"
"$work/venv/bin/python" - "$work" <<'P'
import pathlib, sys
import duckdb

print("duckdb", duckdb.__version__)
work = pathlib.Path(sys.argv[1])
lines = len((work / "whole.log").read_bytes().splitlines())


def rows(name):
    query = ("SELECT count(*) FROM read_csv($1, columns={'line': 'VARCHAR'}, header=false, auto_detect=false, delim='', "
             "quote='', escape='', strict_mode=false, store_rejects=true)")
    try:
        [(count,)] = duckdb.execute(query, [str(work / name)]).fetchall()
        [(refused,)] = duckdb.execute("SELECT count(*) FROM reject_errors").fetchall()
        found = "all" if count == lines else "some" if 0 < count < lines else count
        found = (found, refused)
    except duckdb.Error as error:
        found = type(error).__name__
    print(f"{name:14} {found}")
    return found


found = [rows(name) for name in ("whole.log.gz", "whole.log.zst", "cut.log.gz", "empty.log.gz", "cut.log.zst")]
sys.exit(found != [("all", 0), ("all", 0), "IOException", "IOException", ("some", 0)])
P
