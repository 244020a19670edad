"""What scans of the daemon cost that believe what an unbroken watch calls unchanged (`scan.rehash`), against whole ones."""
import json
import os
import signal
import statistics
import subprocess
import time

from lab import AGENT, run, target, warm

CONFIG = """profile = "{profile}"
manifest = "{manifest}"
state_dir = "{state}"
[scan]
rehash = "{rehash}"
max_rate = "1000G"
[settings]
interval = "24h"
[sinks.cloudwatch_logs]
enabled = false
[sinks.file]
path = "{state}/events.jsonl"
"""


class Daemon:
    """`agent run` of a profile that covers one directory, with a status and a launch record of its own."""

    def __init__(self, lab, root, name, rehash):
        place = lab / f"daemon-{name}"
        place.mkdir(mode=0o755)
        (place / "state").mkdir(mode=0o700)
        profile, manifest = place / "profile.toml", place / "manifest.mtree"
        profile.write_text(f'name = "bench"\n[[paths]]\npath = "{root}"\nseverity = "high"\n')
        run([AGENT, "baseline", "create", "--profile", profile, "--output", manifest])
        config = place / "agent.toml"
        config.write_text(CONFIG.format(profile=profile, manifest=manifest, state=place / "state", rehash=rehash))
        inside = ("for place in /run /var/lib; do mkdir -p $place/host-integrity-agent && "
                  "mount -t tmpfs -o mode=755 none $place/host-integrity-agent || exit 1; done; "
                  f"exec {AGENT} run --config {config}")
        self.log = open(place / "log", "wb")
        self.process = subprocess.Popen(["unshare", "--mount", "--propagation", "private", "sh", "-c", inside],
                                        stdout=self.log, stderr=self.log)
        self.ended = None
        try:
            self.wait()
        except BaseException:
            self.stop()
            raise

    def scan(self):
        try:
            with open(f"/proc/{self.process.pid}/root/run/host-integrity-agent/status.json") as status:
                return json.load(status)["scan"]
        except (OSError, ValueError, KeyError):
            return {}

    def wait(self):
        """Waits for a scan that ended since the last time."""
        end = time.monotonic() + 300
        while time.monotonic() < end:
            assert self.process.poll() is None, f"the daemon ended: {self.log.name}"
            scan = self.scan()
            if scan.get("running") is False and scan.get("ended") not in (None, self.ended):
                self.ended = scan["ended"]
                # What follows from the scan.
                time.sleep(1.5)
                return scan
            time.sleep(0.05)
        raise SystemExit(f"no scan ended: {self.log.name}")

    def cost(self):
        """Seconds of processor time and bytes read so far."""
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rpartition(")")[2].split()
        with open(f"/proc/{self.process.pid}/io") as io:
            read = int(io.readline().split()[1])
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), read

    def again(self):
        """Has everything read again and scanned: what that cost, and what the status says of the scan."""
        seconds, read = self.cost()
        self.process.send_signal(signal.SIGHUP)
        scan = self.wait()
        after, more = self.cost()
        return after - seconds, more - read, scan

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait()
        self.log.close()


def measure(lab, root, rounds):
    empty = lab / "empty"
    empty.mkdir()
    kinds = {"nothing": (empty, "0s"), "whole": (root, "0s"), "believing": (root, "24h")}
    warm(root)
    daemons = {}
    costs = {name: [] for name in kinds}
    try:
        for name, (where, rehash) in kinds.items():
            daemons[name] = Daemon(lab, where, name, rehash)
        for _ in range(rounds):
            for name, daemon in daemons.items():
                costs[name].append(daemon.again())
    finally:
        for daemon in daemons.values():
            daemon.stop()
    scan = costs["believing"][-1][2]
    time_of = {name: statistics.median(cost[0] for cost in costs[name]) for name in kinds}
    read = {name: statistics.median(cost[1] for cost in costs[name]) for name in kinds}
    print(f"\nrehash: believed unread {scan.get('unread')} files, {scan.get('unread_bytes')} bytes; processor time of a look "
          f"at nothing {time_of['nothing']:.2f} s, at all {time_of['whole']:.2f} s, believing {time_of['believing']:.2f} s; "
          f"bytes read {read['whole']:.0f}, believing {read['believing']:.0f}")
    # What a reload costs besides, its settings judged anew, is no part of the scan.
    scans = [time_of[name] - time_of["nothing"] for name in ("believing", "whole")]
    target("scan.rehash, processor time against a whole scan", scans[0] / scans[1], 1 / 8, False)
    may_be_left = max(1, scan.get("unread_bytes") or 1)
    left = read["believing"] - read["nothing"] - (read["whole"] - read["nothing"] - may_be_left)
    target("scan.rehash, bytes read of what may be left unread", max(0, left) / may_be_left, 1 / 20, False)
