#!/usr/bin/env bash
# One would guess: a line of a log that is no UTF-8 is a fault of that line, or at most of its file, in a query over many
#   files; and `ignore_errors` or `store_rejects` of read_csv leave out as much.
# True: without either the query over all files fails, and count(*) alone fails too. `ignore_errors` leaves the line out
#   without a word. `store_rejects` leaves it out and tells file, line and why in reject_errors, but each scan adds to
#   that table: a view that is asked twice tells of the same line twice. And the table is of the connection that scanned;
#   to a cursor of it there is no such table.
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
"$work/venv/bin/python" - "$work" <<'P'
import pathlib, sys
import duckdb

print("duckdb", duckdb.__version__)
work = pathlib.Path(sys.argv[1])
(work / "a.log").write_bytes(b'{"n":1}\n{"n":2,"path":"\xff"}\n{"n":3}\n')
(work / "b.log").write_bytes(b'{"n":4}\n')


def lines(options=""):
    return (f"read_csv('{work}/*.log', columns={{'line': 'VARCHAR'}}, header=false, auto_detect=false, delim='', "
            f"quote='', escape='', strict_mode=false, filename=true{options})")


expected = {
    "plain": "InvalidInputException",
    "ignore_errors": [(3,)],
    "store_rejects": [(3,)],
    "told": [(2, "INVALID ENCODING")],
    "asked again": [(2, "INVALID ENCODING")] * 2,
    "a cursor": "CatalogException",
}
found = {}


def ask(name, connection, query):
    try:
        found[name] = connection.execute(query).fetchall()
    except duckdb.Error as error:
        found[name] = type(error).__name__
    print(f"{name:14} {found[name]}")


ask("plain", duckdb.connect(), f"SELECT count(*) FROM {lines()}")
ask("ignore_errors", duckdb.connect(), f"SELECT count(*) FROM {lines(', ignore_errors=true')}")
one = duckdb.connect()
one.execute(f"CREATE VIEW log AS SELECT * FROM {lines(', store_rejects=true')}")
told = "SELECT line, CAST(error_type AS VARCHAR) FROM reject_errors"
ask("store_rejects", one, "SELECT count(*) FROM log")
ask("told", one, told)
one.execute("SELECT count(*) FROM log").fetchall()
ask("asked again", one, told)
ask("a cursor", one.cursor(), told)
sys.exit(found != expected)
P
