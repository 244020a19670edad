"""Run by busy_services.sh: from a change of a critical file to its event, beside a service that takes all processors."""
import os
import pathlib
import statistics
import subprocess
import sys
import time

from mass_change import Lab, write

CHANGES = int(os.environ.get("CHANGES", "60"))
# Threads of the other service, which has the weight 100 of every unit that says nothing.
BUSY = (0, 4, 16)
WEIGHTS = ("idle", "10", "100")


class Group:
    """A control group of the cpu controller; systemd's weights are those of version 2."""

    def __init__(self, name):
        top = pathlib.Path("/sys/fs/cgroup")
        self.second = (top / "cgroup.controllers").exists()
        if self.second:
            (top / "cgroup.subtree_control").write_text("+cpu")
        self.place = (top if self.second else top / "cpu") / f"busy-services-{os.getpid()}-{name}"
        self.place.mkdir()

    def weigh(self, weight):
        (self.place / "cpu.idle").write_text("1" if weight == "idle" else "0")
        if weight != "idle":
            file, value = ("cpu.weight", int(weight)) if self.second else ("cpu.shares", int(weight) * 1024 // 100)
            (self.place / file).write_text(str(value))

    def take(self, pid):
        if self.second:
            (self.place / "cgroup.procs").write_text(str(pid))
            return
        for thread in os.listdir(f"/proc/{pid}/task"):
            (self.place / "tasks").write_text(thread)

    def remove(self):
        self.place.rmdir()


def tree(place):
    for name in ("ready", "critical", "many"):
        (place / name).mkdir()
    for n in range(3000):
        write(place / "many" / str(n), b"x" * 4000)
    for n in range(CHANGES):
        write(place / "critical" / f"{n:04}", b"recorded\n")


def delays(agent, weight, busy, groups):
    lab = Lab(agent, tree, False)
    own, other = groups
    own.weigh(weight)
    children = subprocess.run(["pgrep", "-P", str(lab.process.pid)], capture_output=True, text=True, check=False)
    for pid in [lab.process.pid, *map(int, children.stdout.split())]:
        own.take(pid)
    hogs = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(busy)]
    found = []
    try:
        for hog in hogs:
            other.take(hog.pid)
        for n in range(CHANGES):
            path, began = lab.tree / "critical" / f"{n:04}", time.monotonic()
            write(path, b"changed\n")
            lab.until(lambda: lab.file.count(1, str(path)) > 0, f"{path} is told")
            found.append(lab.file.first.get((1, str(path)), float("inf")) - began)
            time.sleep(0.1)
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()
        own.weigh("100")
        lab.end()
    return sorted(found)


def main():
    groups = (Group("agent"), Group("other"))
    try:
        print("| CPUWeight | busy threads beside it | median, s | p90, s | most, s |\n|---|---|---|---|---|")
        for weight in WEIGHTS:
            for busy in BUSY:
                found = delays(os.path.abspath(sys.argv[1]), weight, busy, groups)
                row = statistics.median(found), found[len(found) * 9 // 10], found[-1]
                print(f"| {weight} | {busy} | " + " | ".join(f"{figure:.2f}" for figure in row) + " |", flush=True)
    finally:
        for group in groups:
            group.remove()


main()
