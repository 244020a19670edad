"""Run by mass_change.sh: from a change to the sink that accepted it, when very many things change."""
import http.server
import json
import multiprocessing
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROUNDS = int(os.environ.get("ROUNDS", "3"))
FILES = int(os.environ.get("FILES", "20000"))
ONLY = os.environ.get("ONLY", "")
IN_A_DIRECTORY = 100
CRITICAL = 9
# Changes a second, and how many.
PACES = ((30, 250), (500, 5000))
# Seconds that the agent has to tell what it will tell at all.
PATIENCE = float(os.environ.get("PATIENCE", "90"))

SUBJECT = re.compile(rb'"subject":"([^"]+)"')
ACTIVITY = re.compile(rb'"activity_id":(\d+)')


def note(out, event):
    """One line for whoever measures: when, what became of it, and of which path."""
    subject, activity = SUBJECT.search(event), ACTIVITY.search(event)
    if subject and activity:
        out.write(b"%.6f %s %s\n" % (time.monotonic(), activity[1], subject[1]))


class Logs(http.server.BaseHTTPRequestHandler):
    """As much of CloudWatch Logs as the agent calls."""
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("x-amz-target", "").endswith("PutLogEvents"):
            for event in json.loads(body)["logEvents"]:
                note(self.server.out, event["message"].encode())
            self.server.out.flush()
        self.send_response(200)
        self.send_header("content-type", "application/x-amz-json-1.1")
        self.send_header("content-length", "2")
        self.send_header("x-amzn-requestid", "00000000-0000-0000-0000-000000000000")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


def serve(port, path):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Logs)
    server.daemon_threads = True
    server.out = open(path, "wb")
    port.put(server.server_address[1])
    server.serve_forever()


def follow(events, path):
    """Notes every line of the file sink as soon as it stands there."""
    with open(path, "wb") as out, open(events, "a+b") as lines:
        lines.seek(0)
        rest = b""
        while True:
            more = lines.read(1 << 20)
            if not more:
                time.sleep(0.002)
                continue
            *whole, rest = (rest + more).split(b"\n")
            for line in whole:
                note(out, line)
            out.flush()


class Seen:
    """What one of those has noted: the first time for each activity and path."""

    def __init__(self, path):
        self.file, self.rest, self.first = open(path, "rb"), b"", {}

    def read(self):
        *whole, self.rest = (self.rest + self.file.read()).split(b"\n")
        for line in whole:
            when, activity, subject = line.split(b" ", 2)
            self.first.setdefault((int(activity), subject.decode()), float(when))

    def count(self, activity, below):
        self.read()
        return sum(1 for kind, path in self.first if kind == activity and path.startswith(below))


class Lab:
    """A tree, an agent that watches it, and its two sinks."""

    def __init__(self, agent, tree, with_service):
        self.agent = agent
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="mass-change-"))
        self.tree = self.home / "tree"
        self.helpers, self.deaths, self.peak, self.used, self.latest = [], 0, 0, 0.0, 0.0
        for name in ("tree", "run", "state"):
            (self.home / name).mkdir()
        tree(self.tree)
        (self.home / "profile.toml").write_text(
            f'name = "bench"\n[[paths]]\npath = "{self.tree}"\nseverity = "medium"\n'
            f'[[paths]]\npath = "{self.tree}/ready"\nseverity = "high"\n'
            f'[[paths]]\npath = "{self.tree}/critical"\nseverity = "critical"\n')
        events, file_notes, service_notes = (self.home / n for n in ("events.jsonl", "file", "service"))
        file_notes.touch()
        service_notes.touch()
        self.begin(follow, events, file_notes)
        cloudwatch = "enabled = false"
        if with_service:
            port = multiprocessing.Queue()
            self.begin(serve, port, service_notes)
            cloudwatch = (f'enabled = true\nregion = "eu-central-1"\nlog_stream = "bench"\n'
                          f'endpoint = "http://127.0.0.1:{port.get()}"')
        (self.home / "agent.toml").write_text(
            f'profile = "{self.home}/profile.toml"\nmanifest = "{self.home}/manifest.mtree"\n'
            f'state_dir = "{self.home}/state"\n[instance]\nendpoint = "http://127.0.0.1:9"\n'
            f'[sinks.cloudwatch_logs]\n{cloudwatch}\n[sinks.file]\npath = "{events}"\n')
        self.file, self.service = Seen(file_notes), Seen(service_notes)
        self.environment = dict(os.environ, RUNTIME_DIRECTORY=str(self.home / "run"), AWS_ACCESS_KEY_ID="AKIDEXAMPLE",
                                AWS_SECRET_ACCESS_KEY="secret", AWS_EC2_METADATA_DISABLED="true")
        subprocess.run([agent, "baseline", "create", "--profile", self.home / "profile.toml", "--output",
                        self.home / "manifest.mtree"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.start()
        # Of high severity: it waits for no quiet moment, and once it is there everything is under way.
        (self.tree / "ready" / "made").write_text("x")
        sinks = [self.file] + [self.service] * with_service
        self.until(lambda: all(sink.count(1, f"{self.tree}/ready/") for sink in sinks), "the first event")
        self.settled = self.latest = self.processor_time()

    def begin(self, what, *arguments):
        helper = multiprocessing.Process(target=what, args=arguments, daemon=True)
        helper.start()
        self.helpers.append(helper)

    def start(self):
        status = self.home / "run" / "status.json"
        status.unlink(missing_ok=True)
        with open(self.home / "stderr", "ab") as errors:
            self.process = subprocess.Popen([self.agent, "run", "--config", self.home / "agent.toml"], env=self.environment,
                                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors)
        # Who was started again pays for it; at the first start this is set anew when everything is under way.
        self.settled = self.latest = 0.0

        def scanned():
            try:
                return '"ended":"' in status.read_text().replace(" ", "")
            except OSError:
                return False
        if not self.until(scanned, "the first scan") and self.deaths == 0:
            sys.exit(f"{self.agent} never ends its first scan: {(self.home / 'stderr').read_text()[-2000:]}")

    def processor_time(self):
        """Seconds of the running process, in user and kernel mode (proc_pid_stat(5), fields 14 and 15)."""
        try:
            fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        except (OSError, IndexError):
            return self.latest

    def sample(self):
        """Notes processor time and the peak of resident memory; whether it lives."""
        try:
            status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
            peak = re.search(r"VmHWM:\s+(\d+)", status)
            if peak:
                self.peak = max(self.peak, int(peak[1]))
                self.latest = self.processor_time()
        except OSError:
            pass
        return self.process.poll() is None

    def until(self, holds, what):
        """Whether it came to hold in time. Who has died meanwhile is started again, a few times."""
        end = time.monotonic() + PATIENCE
        while not holds():
            if time.monotonic() > end:
                print(f"  {self.agent}: never: {what}", file=sys.stderr)
                return False
            if not self.sample():
                self.deaths += 1
                self.used += self.latest - self.settled
                if self.deaths > 4:
                    return False
                self.start()
            time.sleep(0.01)
        self.sample()
        return True

    def end(self):
        self.sample()
        self.used += self.latest - self.settled
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for helper in self.helpers:
            helper.kill()
            helper.join()
        shutil.rmtree(self.home)


def write(path, text):
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.write(descriptor, text)
    os.close(descriptor)


def small_tree(tree):
    (tree / "ready").mkdir()
    for n in range(50):
        write(tree / f"f{n}", b"recorded\n")


def burst(agent):
    """Files made and removed, three times: seconds after the last change until all is told and cleared."""
    lab = Lab(agent, small_tree, False)
    worst = 0.0
    for turn in range(3):
        # A trailing slash, so that turn 1 is not counted as turn 10.
        below = lab.tree / f"turn{turn}"
        below.mkdir()
        for n in range(FILES):
            directory = below / f"{n // IN_A_DIRECTORY}"
            if n % IN_A_DIRECTORY == 0:
                directory.mkdir()
            write(directory / f"file{n}", b"")
        for activity, what in ((1, "all told"), (3, "all cleared")):
            if activity == 3:
                shutil.rmtree(below)
            last = time.monotonic()
            told = lab.until(lambda: lab.file.count(activity, f"{below}/") >= FILES, f"{what}, turn {turn}")
            worst = max(worst, time.monotonic() - last if told else float("inf"))
    figures = {"told and cleared after the last change, s": worst, "died, times": lab.deaths}
    lab.end()
    figures["peak RSS, MiB"] = lab.peak / 1024
    figures["processor time, s"] = lab.used
    return figures


def recorded_tree(count):
    def make(tree):
        (tree / "ready").mkdir()
        (tree / "critical").mkdir()
        for n in range(CRITICAL):
            write(tree / "critical" / f"c{n}", b"recorded\n")
        for n in range(count):
            directory = tree / f"d{n // 50}"
            if n % 50 == 0:
                directory.mkdir()
            write(directory / f"f{n}", b"recorded\n")
    return make


def single(agent, pace, count):
    """Single changes at an even pace, critical ones among them: seconds from each to its acceptance."""
    lab = Lab(agent, recorded_tree(count), True)
    when = {}

    def change(path):
        when[str(path)] = time.monotonic()
        write(path, b"changed\n")
    begin = time.monotonic()
    for n in range(count):
        pause = begin + n / pace - time.monotonic()
        if pause > 0:
            time.sleep(pause)
        change(lab.tree / f"d{n // 50}" / f"f{n}")
        # Evenly among them, none at either end.
        if (n + 1) % (count // (CRITICAL + 1)) == 0 and (n + 1) * (CRITICAL + 1) // count <= CRITICAL:
            change(lab.tree / "critical" / f"c{(n + 1) * (CRITICAL + 1) // count - 1}")
    took = time.monotonic() - begin
    if took > 1.2 * count / pace:
        print(f"  the changes took {took:.1f} s in place of {count / pace:.1f}: the machine is too busy", file=sys.stderr)
    figures = {}
    for name, seen in (("file", lab.file), ("service", lab.service)):
        def missing():
            seen.read()
            return [path for path in when if (1, path) not in seen.first]
        lab.until(lambda: not missing(), f"all changes at the {name}")
        for kind in ("usual", "critical"):
            is_critical = kind == "critical"
            delays = [seen.first.get((1, path), float("inf")) - at for path, at in when.items()
                      if ("/critical/" in path) == is_critical]
            delays.sort()
            figures[f"{name}, {kind}, median, s"] = statistics.median(delays)
            figures[f"{name}, {kind}, p99, s"] = delays[min(len(delays) - 1, len(delays) * 99 // 100)]
    lab.end()
    figures |= {"died, times": lab.deaths, "peak RSS, MiB": lab.peak / 1024, "processor time, s": lab.used}
    return figures


def compare(title, measure, agents, targets):
    """Rounds of both in turn; a table of medians, and what is wanted of the second."""
    rounds = {agent: [] for agent in agents}
    for _ in range(ROUNDS):
        for which, agent in agents.items():
            rounds[which].append(measure(agent))
    print(f"\n| {title} | before | after | before / after | wanted | |\n|---|---|---|---|---|---|")
    for figure in rounds["after"][0]:
        before, after = (statistics.median(r[figure] for r in rounds[which]) for which in ("before", "after"))
        bound = targets.get(figure, lambda _: None)(before)
        ratio = f"{before / after:.2f}" if after not in (0, float("inf")) and before != float("inf") else "–"
        wanted = "| |" if bound is None else f"| ≤ {bound:.4g} | {'reached' if after <= bound else 'short'} |"
        print(f"| {figure} | {before:.2f} | {after:.2f} | {ratio} {wanted}", flush=True)


def main():
    # The same path may be given twice.
    agents = {"before": os.path.abspath(sys.argv[1]), "after": os.path.abspath(sys.argv[2])}
    if ONLY in ("", "burst"):
        compare(f"{FILES} files made and removed, three times", burst, agents, {
            "told and cleared after the last change, s": lambda _: 15,
            "died, times": lambda _: 0,
            "peak RSS, MiB": lambda _: 32,
            "processor time, s": lambda before: before,
        })
    if ONLY in ("", "single"):
        for pace, count in PACES:
            most = 1.2 if pace <= 30 else 3
            targets = {f"{name}, usual, p99, s": lambda _, most=most: most for name in ("file", "service")}
            targets |= {f"{name}, critical, p99, s": lambda _: 0.7 for name in ("file", "service")}
            targets["died, times"] = lambda _: 0
            compare(f"{count} single changes, {pace} a second", lambda agent: single(agent, pace, count), agents, targets)


if __name__ == "__main__":
    main()
