#!/usr/bin/env python3
"""Whether the SQL of packaging/fleet/sql says of events what `agent log verify` says, on every engine that runs here."""
import argparse
import datetime
import decimal
import gzip
import pathlib
import re
import sys
import time

import cases
import engines
import fleet
import laptop
import verdicts

QUESTIONS = sorted(path.stem for path in (engines.SQL / "questions").glob("*.sql"))


def write(directory, made):
    """Each case into a directory of its own; returns name → files."""
    written = {}
    for number, (name, files) in enumerate(made.items()):
        place = directory / f"{number:02}"
        place.mkdir(parents=True)
        written[name] = []
        for n, (ending, content) in enumerate(files):
            path = place / f"events-{n}{ending}"
            path.write_bytes(content)
            written[name].append(path)
    return written


def readable(files, unread, work):
    """Copies of the files without the lines that the engine says it refused: what its answer is about."""
    gone = {}
    for path, line, _ in unread:
        gone.setdefault(str(path).removeprefix("file:"), set()).add(line)
    kept = []
    for number, path in enumerate(files):
        lines = path.read_bytes().split(b"\n")
        copy = work / f"{path.parent.name}-{number}.jsonl"
        copy.write_bytes(b"\n".join(line for at, line in enumerate(lines, 1) if at not in gone.get(str(path), ())))
        kept.append(copy)
    return kept


WHOLE = ("whole", "two hosts", "all twice", "all in reverse", "a chain begun anew")

# To the agent the event is nobody's. An engine takes the first of the two keys, or the first that holds what is asked
# for (Spark, and not by every one of its ways to run an expression).
LOOSE = ("a key twice",)


def judge(engine, name, said, rows, told):
    """Prints what is wrong with an answer; returns whether something is."""
    problem = verdicts.disagreement(said, rows, name in LOOSE)
    if name in WHOLE and rows[0] != 0:
        problem = f"is whole, and SQL says {rows}"
    if "no UTF-8" in name and not told:
        problem = "nothing tells of the bytes that are no UTF-8"
    if problem:
        print(f"{engine.name}: {name}: {problem}")
    return bool(problem)


def on_duckdb(agent, written, work, given):
    """Case by case. DuckDB leaves out lines that are no UTF-8 and tells which: the agent is asked without them."""
    engine = engines.DuckDb(work)
    copies = work / "copies"
    copies.mkdir()
    wrong = 0
    for name, files in written.items():
        engine.load(files, **given)
        rows = verdicts.by_rows(engine.ask("chain"))
        refused = engine.ask_refused()
        said = verdicts.by_agent(agent, readable(files, refused, copies) if refused else files)
        wrong += judge(engine, name, said, rows, engine.ask("unread"))
    return wrong, engine


def takes_what_is_cut_off(engine, events, work):
    """Whether a gzip file that ends within is read as if it were whole."""
    path = work / "cut.jsonl.gz"
    path.write_bytes(gzip.compress(events)[:-20])
    try:
        engine.load(path, expected=0, catalogue=0, now_ms=0, silent_ms=0)
    except Exception as error:  # Spark's have no common parent but this.
        return "cut.jsonl.gz" not in str(error)
    return True


def on_spark(agent, written, work, given):
    """All cases in one table, each with chains of its own. Spark reads every line."""
    engine = engines.Spark(work)
    if takes_what_is_cut_off(engine, written["whole"][0].read_bytes(), work):
        print("Spark: a gzip file that is cut off is taken for whole, or not named")
        return 1, engine
    engine.load(work / "cases/*/*", **given)
    unread = engine.ask("unread")
    engine.keep_cases_apart()
    answer = engine.ask("chain")
    wrong = 0
    for name, files in written.items():
        place = files[0].parent.name
        mine = [(row[0].removeprefix(f"{place}/"), *row[1:]) for row in answer if row[0].startswith(f"{place}/")]
        rows = verdicts.by_rows(mine)
        told = [row for row in unread if f"cases/{place}/" in row[0]]
        wrong += judge(engine, name, verdicts.by_agent(agent, files), rows, told)
    return wrong, engine


def plain(value):
    """A value as both engines give it: numbers as numbers, fractions to nine digits, places without their scheme."""
    if isinstance(value, decimal.Decimal):
        value = int(value) if value == int(value) else float(value)
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, (datetime.date, datetime.datetime)):
        return value.isoformat()
    return re.sub("^file:(//)?", "", value) if isinstance(value, str) else value


def differences(answers):
    """Prints the questions that two engines answer differently; returns how many there are."""
    wrong = 0
    for question in QUESTIONS if len(answers) == 2 else []:
        one, two = (sorted(map(repr, answer[question])) for answer in answers.values())
        if one != two:
            wrong += 1
            only = [row for row in one if row not in two][:3], [row for row in two if row not in one][:3]
            print(f"{question}: the engines differ: {only}")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agent", required=True)
    parser.add_argument("--events", required=True, type=pathlib.Path, help="one, two, fork, anew, dropped .jsonl")
    parser.add_argument("--work", required=True, type=pathlib.Path)
    parser.add_argument("--engine", action="append", choices=["duckdb", "spark"])
    options = parser.parse_args()
    written = write(options.work / "cases", cases.cases(options.events))
    given = {
        "expected": str(engines.SQL / "expected_hosts.csv"), "catalogue": str(engines.SQL / "image_catalogue.csv"),
        "now_ms": 1795940000000, "silent_ms": 900000,
    }
    files, about, rare = fleet.make(options.events, options.work)
    wrong = 0
    answers = {}
    for name in options.engine or ["duckdb", "spark"]:
        began = time.monotonic()
        ask = {"duckdb": on_duckdb, "spark": on_spark}[name]
        faults, engine = ask(options.agent, written, options.work, given)
        wrong += faults
        print(f"{engine.name}: {len(written)} cases in {time.monotonic() - began:.1f} s", flush=True)
        engine.load([files] if name == "duckdb" else files, **{**given, **about})
        answers[name] = {q: [tuple(map(plain, row)) for row in engine.ask(q)] for q in QUESTIONS}
        print(f"{engine.name}: {len(QUESTIONS)} questions, {time.monotonic() - began:.1f} s", flush=True)
        for fault in fleet.faults(answers[name], rare):
            wrong += 1
            print(f"{engine.name}: {fault}")
    wrong += differences(answers)
    for fault in laptop.faults(options.agent, options.events, options.work):
        wrong += 1
        print(f"agent-fleet: {fault}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
