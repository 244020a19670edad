"""Runs `agent log verify` and the same question on DuckDB in turn; see log_verify.sh."""
import os
import pathlib
import statistics
import subprocess
import sys
import time

PROJECT = pathlib.Path(__file__).resolve().parents[1]
DUCKDB = [PROJECT / "target/fleet-python/bin/python", PROJECT / "packaging/fleet/sql/agent-fleet", "chain"]


def once(command):
    """Seconds, seconds of the processor, and MiB at most in memory."""
    began = time.monotonic()
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    if status:
        sys.exit(f"{command[0]} ended with {os.waitstatus_to_exitcode(status)}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main():
    agent, logs, rounds, *before = sys.argv[1:]
    pattern = str(pathlib.Path(logs) / "*.jsonl")
    programs = {"agent": [agent, "log", "verify", logs], "DuckDB": [*DUCKDB, pattern, "--spill", f"{logs}.spill"]}
    if before:
        programs["before"] = [before[0], "log", "verify", logs]
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    taken = {name: [] for name in programs}
    for _ in range(int(rounds)):
        for name, command in programs.items():
            taken[name].append(once(command))
            print("{}: {:.2f} s, {:.2f} s of the processor, {:.0f} MiB at most".format(name, *taken[name][-1]), flush=True)
    medians = {}
    for name, runs in taken.items():
        seconds, work, memory = ([run[n] for run in runs] for n in range(3))
        medians[name] = statistics.median(seconds), statistics.median(work)
        print(f"{name}: medians {medians[name][0]:.2f} s, {medians[name][1]:.2f} s of the processor; {max(memory):.0f} MiB at most")
    for name in medians:
        if name != "agent":
            clock, work = (of / agent for of, agent in zip(medians[name], medians["agent"]))
            print(f"{name} / agent: {clock:.1f} by the clock, {work:.1f} of the processor (medians)")
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
