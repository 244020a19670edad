#!/usr/bin/env python3
"""Whether a parser of Trino's and Athena's dialects takes the shim and the questions, and knows every function there.

No server of either can be had here: this is what stands in, and it proves grammar and names, not answers."""
import sys

import engines
import sqlglot
from sqlglot import exp

DIALECTS = ("trino", "athena")
# Functions of Trino (trino.io/docs/current/functions) that may be used: sqlglot passes on, or renames, what it does not
# know, so names are held against this list.
FUNCTIONS = set("""
approx_distinct cast chr coalesce concat count floor from_unixtime greatest json_extract json_extract_scalar json_format
least length lower max max_by min nullif regexp_like regexp_replace row_number sha256 split split_part strpos substr sum to_hex
to_unixtime to_utf8 translate try_cast unnest
""".split())
# What stands before a bracket and is no function.
WORDS = {"over", "in", "exists", "from", "join", "as", "and", "or", "not", "when", "then", "else", "u", "decimal", "by",
         "select", "on", "where", "union"}


def called(text, dialect):
    tokens = sqlglot.tokenize(text, read=dialect)
    for name, bracket in zip(tokens, tokens[1:]):
        if bracket.text == "(" and name.text.isidentifier():
            yield name.text.lower()


def faults(text, dialect):
    for statement in sqlglot.parse(text, read=dialect, error_level=sqlglot.ErrorLevel.RAISE):
        if isinstance(statement, exp.Command):
            yield f"is taken as an unknown command: {statement.sql()[:80]}"
    names = set(called(text, dialect)) - FUNCTIONS - WORDS
    # Names of common table expressions stand before brackets too: `name AS (`, never `name(`.
    yield from (f"no function {name} is known" for name in sorted(names))


def main():
    files = [engines.SQL / "trino.sql", *sorted((engines.SQL / "questions").glob("*.sql"))]
    wrong = [f"{path.name} as {dialect}: {fault}" for dialect in DIALECTS for path in files
             for fault in faults(path.read_text(), dialect)]
    # What it is told about must be seen: a statement that is no SQL, and a function of another engine.
    assert list(faults("SELECT arg_max(a, b), read_csv('x') FROM t", "trino"))
    print("\n".join(wrong) or f"{len(files)} files parse as {' and '.join(DIALECTS)}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
