"""What every measurement needs: programs run and timed, caches warm or cold, targets and their ratios."""
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
AGENT = os.environ.get("AGENT", str(ROOT / "target/release/agent"))
PEERS = ROOT / "target/peers"
WORKERS = "2"
PROFILE = 'name = "bench"\n[[paths]]\npath = "/"\nseverity = "high"\n'
TARGETS = []


def run(command, codes=(0,)):
    """Seconds and peak resident KiB of a command (the largest process of it)."""
    if isinstance(command, str):
        command = ["sh", "-c", command]
    # time(1) is small: a child forked from here would begin with the memory of an interpreter.
    with tempfile.NamedTemporaryFile("r") as told:
        started = time.monotonic()
        ran = subprocess.run(["/usr/bin/time", "-q", "-f", "%M", "-o", told.name, *map(str, command)],
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        elapsed = time.monotonic() - started
        resident = int(told.read().split()[-1])
    if ran.returncode not in codes:
        sys.exit(f"{command}: exit {ran.returncode}: {ran.stderr.decode(errors='replace')[-500:]}")
    return elapsed, resident


def tree(where, files, size):
    if not where.exists():
        subprocess.run([ROOT / "benches/tree.py", where, str(files), str(size)], check=True)


def warm(root):
    subprocess.run(f"find {root} -type f -print0 | xargs -0 -P2 cat >/dev/null", shell=True, check=True)
    subprocess.run(f"find {root} -printf '%s' >/dev/null", shell=True, check=True)


def cold(_root):
    subprocess.run("sync; echo 3 > /proc/sys/vm/drop_caches", shell=True, check=True)


def cached(root):
    """Bytes of the tree that are in the page cache."""
    script = f"find {root} -type f -print0 | xargs -0 -n 2000 fincore -b -n -o RES"
    out = subprocess.run(script, shell=True, check=True, capture_output=True, text=True).stdout
    return sum(int(n) for n in out.split())


def in_turn(commands, rounds, prepare=lambda: None, codes=(0,)):
    """Medians of seconds, peak KiB and all times of commands by name, each once a round."""
    times = {name: [] for name in commands}
    memory = {name: 0 for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            prepare()
            seconds, resident = run(command, codes)
            times[name].append(seconds)
            memory[name] = max(memory[name], resident)
    return {name: statistics.median(t) for name, t in times.items()}, memory, times


def show(title, medians, memory, times):
    print(f"\n| {title} | median s | min | max | peak MiB |\n|---|---|---|---|---|")
    for name, median in medians.items():
        low, high = min(times[name]), max(times[name])
        print(f"| {name} | {median:.2f} | {low:.2f} | {high:.2f} | {memory[name] / 1024:.1f} |", flush=True)


def target(what, value, bound, more_is_better, unit="×"):
    reached = value >= bound if more_is_better else value <= bound
    sign = "≥" if more_is_better else "≤"
    TARGETS.append((what, f"{value:.2f} {unit}", f"{sign} {bound:g} {unit}", "reached" if reached else "short"))
    print("  ".join(TARGETS[-1]), flush=True)


def not_measured(what, why):
    TARGETS.append((what, "–", "–", f"not measured: {why}"))


def tell_targets():
    print("\n| target | measured | wanted | |\n|---|---|---|---|")
    for row in TARGETS:
        print("| " + " | ".join(row) + " |")
