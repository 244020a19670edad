"""Asks each engine for the chains of one fleet; see fleet_engines.sh."""
import argparse
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time

PROJECT = pathlib.Path(__file__).resolve().parents[1]
PYTHON = PROJECT / "target/fleet-python/bin/python"


def arguments():
    parser = argparse.ArgumentParser()
    for name in ("agent", "logs", "spill"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    parser.add_argument("--memory")
    parser.add_argument("--partitions")
    parser.add_argument("--spark-files", type=int)
    parser.add_argument("--limit", type=float)
    parser.add_argument("engines", nargs="+", choices=["agent", "duckdb", "spark"])
    return parser.parse_args()


def size(directory):
    """Bytes of what is below; files come and go meanwhile."""
    total = 0
    for place, _, names in os.walk(directory):
        for name in names:
            try:
                total += os.stat(os.path.join(place, name)).st_blocks * 512
            except OSError:
                pass
    return total


def nameless(process):
    """Bytes of files of a process that have no name any more."""
    total = 0
    try:
        for entry in os.scandir(f"/proc/{process}/fd"):
            try:
                if os.readlink(entry.path).endswith("(deleted)"):
                    total += os.stat(entry.path).st_blocks * 512
            except OSError:
                pass
    except OSError:
        pass
    return total


def resident(session):
    """Bytes in memory of all processes of a session, shared ones counted with each: Spark's are Python and Java."""
    pages = 0
    for entry in os.scandir("/proc"):
        try:
            if entry.name.isdigit() and os.getsid(int(entry.name)) == session:
                pages += int(pathlib.Path(entry.path, "statm").read_text().split()[1])
        except (OSError, IndexError):
            pass
    return pages * os.sysconf("SC_PAGE_SIZE")


class Watch(threading.Thread):
    """What a program takes at most, twice a second; ends it, and all that it has started, when its time is over."""

    def __init__(self, process, spill, limit):
        super().__init__()
        self.process, self.spill, self.end = process, spill, time.monotonic() + limit
        self.done, self.files, self.memory, self.late = threading.Event(), 0, 0, False

    def run(self):
        while not self.done.wait(0.5):
            self.files = max(self.files, size(self.spill) + nameless(self.process.pid))
            self.memory = max(self.memory, resident(self.process.pid))
            if time.monotonic() > self.end and not self.late:
                self.late = True
                os.killpg(self.process.pid, signal.SIGKILL)


def run(name, command, spill, limit):
    """Runs it, and says what it took."""
    spill.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True, start_new_session=True,
                               env={**os.environ, "TMPDIR": str(spill)})
    watch = Watch(process, spill, limit)
    watch.start()
    last = ""
    for line in process.stdout:
        last = line.strip()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    watch.done.set()
    watch.join()
    shutil.rmtree(spill)
    ended = "ended for its time" if watch.late else f"status {os.waitstatus_to_exitcode(status)}"
    memory = max(watch.memory, usage.ru_maxrss * 1024)
    print(f"{name}: {seconds:.1f} s, {usage.ru_utime + usage.ru_stime:.1f} s of the processor, {memory / 2**20:.0f} MiB at most, "
          f"{watch.files / 2**20:.0f} MiB of temporary files, {ended}: {last}", flush=True)


def on_spark(options):
    """The first of the files, as text."""
    plain = options.logs.with_name(options.logs.name + ".plain")
    plain.mkdir(exist_ok=True)
    for path in sorted(options.logs.glob("*.zst"))[:options.spark_files]:
        with (plain / path.stem).open("wb") as out:
            subprocess.run(["zstd", "-qdc", path], stdout=out, check=True)
    print(f"for Spark: {len(list(plain.iterdir()))} files, {size(plain) / 2**20:.0f} MiB", flush=True)
    for count in options.partitions.split():
        run(f"Spark, {count} partitions", [PYTHON, PROJECT / "benches/fleet_spark.py", plain, count, options.spill],
            options.spill, options.limit)
    shutil.rmtree(plain)


def main():
    options = arguments()
    files = list(options.logs.iterdir())
    packed = sum(path.stat().st_size for path in files)
    print(f"{len(files)} files, {packed / 2**20:.0f} MiB as they lie there; load {os.getloadavg()[0]:.1f} on "
          f"{os.cpu_count()} cores", flush=True)
    if "agent" in options.engines:
        run("agent", [options.agent, "log", "verify", options.logs], options.spill, options.limit)
    if "duckdb" in options.engines:
        command = [PYTHON, PROJECT / "packaging/fleet/sql/agent-fleet", "chain", f"{options.logs}/*.jsonl*", "--spill",
                   options.spill, "--memory", options.memory, "--format", "csv"]
        run("DuckDB", command, options.spill, options.limit)
    if "spark" in options.engines:
        on_spark(options)
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    sys.exit(main())
