"""Run by peers.sh: times whole programs in turn and judges the ratios of their medians."""
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
AGENT = str(HERE.parent / "target/release/agent")
BARE = str(HERE.parent / "target/release/examples/bare_walk")
AIDE = os.environ.get("AIDE", "/usr/bin/aide")
ROUNDS = int(os.environ.get("ROUNDS", "5"))
LANES = str(HERE.parent / "target/lanes/release/examples/check_tree")
PACKAGES = os.environ.get("PACKAGES") == "1"
KERNEL = os.environ.get("KERNEL") == "1"
MILLION = os.environ.get("MILLION") == "1"
WORKERS = "2"
PROFILE = 'name = "bench"\n[[paths]]\npath = "/"\nseverity = "high"\n'


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
        subprocess.run([HERE / "tree.py", where, str(files), str(size)], check=True)


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


class Bench:
    def __init__(self, lab, root):
        self.lab, self.root = lab, root
        self.profile, self.manifest = lab / "bench.toml", lab / "bench.mtree"
        self.profile.write_text(PROFILE)
        run(self.create())
        config, database = lab / "aide.conf", lab / "aide.db"
        config.write_text(
            f"database_in=file:{database}\ndatabase_out=file:{database}\nreport_url=stdout\nnum_workers={WORKERS}\n"
            "gzip_dbout=no\n"
            f"{root} p+u+g+s+m+l+n+acl+xattrs+e2fsattrs+sha256\n"
        )
        self.aide_config = config
        run([AIDE, "-c", str(config), "--init"])

    def check(self, *more, threads=("--threads", WORKERS)):
        return [AGENT, "check", "--root", str(self.root), "--profile", str(self.profile), "--manifest", str(self.manifest),
                *threads, "--only", "files.*", "--quiet", *more]

    def create(self):
        return [AGENT, "baseline", "create", "--root", str(self.root), "--profile", str(self.profile),
                "--output", str(self.manifest)]

    def peers(self):
        find = f"find {self.root} -type f -print0 | xargs -0 -P{WORKERS} -n 64"
        return {
            "agent check": self.check(),
            # As many readers as it takes on by itself.
            "agent check, threads its own choice": self.check(threads=()),
            "agent baseline create": self.create(),
            "bare walk": [BARE, str(self.profile), str(self.root), WORKERS],
            "openssl dgst -P2": f"{find} openssl dgst -sha256",
            "sha256sum -P2": f"{find} sha256sum",
            "hashdeep -j2": f"hashdeep -c sha256 -j{WORKERS} -r {self.root}",
            "aide --check": [AIDE, "-c", str(self.aide_config), "--check"],
            # The floor when cold: reads, and does nothing else.
            "cat -P8": f"find {self.root} -type f -print0 | xargs -0 -P8 -n 400 cat > /dev/null",
        }

    def rounds(self, prepare, names):
        times = {name: [] for name in names}
        memory = {name: 0 for name in names}
        commands = self.peers()
        for _ in range(ROUNDS):
            for name in names:
                prepare(self.root)
                seconds, resident = run(commands[name])
                times[name].append(seconds)
                memory[name] = max(memory[name], resident)
        return {name: statistics.median(t) for name, t in times.items()}, memory, times


TARGETS = []


def target(what, value, bound, more_is_better, unit="×"):
    reached = value >= bound if more_is_better else value <= bound
    sign = "≥" if more_is_better else "≤"
    TARGETS.append((what, f"{value:.2f} {unit}", f"{sign} {bound:g} {unit}", "reached" if reached else "short"))


def show(title, medians, memory, times):
    print(f"\n| {title} | median s | min | max | peak MiB |\n|---|---|---|---|---|")
    for name, median in medians.items():
        low, high = min(times[name]), max(times[name])
        print(f"| {name} | {median:.2f} | {low:.2f} | {high:.2f} | {memory[name] / 1024:.1f} |", flush=True)


def highest_rate(command, seconds_window=1.0):
    """Bytes a second over a whole run, and the most in any window of a second, from /proc/PID/io."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    samples = []
    started = time.monotonic()
    while process.poll() is None:
        try:
            text = pathlib.Path(f"/proc/{process.pid}/io").read_text()
            samples.append((time.monotonic(), int(text.split()[1])))
        except (OSError, IndexError):
            break
        time.sleep(0.02)
    process.wait()
    whole = samples[-1][1] / (time.monotonic() - started)
    most, start = 0, 0
    for end in range(len(samples)):
        while samples[end][0] - samples[start][0] > seconds_window:
            start += 1
        if samples[end][0] - samples[start][0] > 0.9 * seconds_window:
            most = max(most, (samples[end][1] - samples[start][1]) / (samples[end][0] - samples[start][0]))
    return whole, most


def lanes(bench):
    """The share of blocks by lanes in use, from a build that counts them."""
    out = subprocess.run([LANES, bench.profile, bench.root, bench.manifest, WORKERS], check=True, capture_output=True, text=True).stdout
    shares = [line for line in out.splitlines() if " lanes: " in line]
    print("\nblocks by lanes in use: " + ", ".join(share.replace(" of blocks", "") for share in shares))
    target("blocks with all lanes in use", float(shares[-1].split(": ")[1].split()[0]), 95, True, "%")


def packages(lab):
    """The first run on this host, without a manifest, against what its package manager brings, in turn and warm."""
    config = lab / "none.toml"
    config.write_text(f'manifest = "{lab}/none.mtree"\n')
    commands = {
        "agent check, no manifest": [AGENT, "check", "--config", config, "--profile", "default", "--only", "files.*", "--quiet"],
        "dpkg --verify": ["dpkg", "--verify"],
        "debsums -ca": ["debsums", "-ca"],
    }
    times = {name: [] for name in commands}
    memory = {name: 0 for name in commands}
    run(commands["agent check, no manifest"], (0, 1, 2, 3))
    for _ in range(min(ROUNDS, 3)):
        for name, command in commands.items():
            seconds, resident = run(command, range(256))
            times[name].append(seconds)
            memory[name] = max(memory[name], resident)
    medians = {name: statistics.median(t) for name, t in times.items()}
    show("first run", medians, memory, times)
    mine = medians["agent check, no manifest"]
    target("first run, times the speed of dpkg --verify", medians["dpkg --verify"] / mine, 5, True)
    target("first run, times the speed of debsums", medians["debsums -ca"] / mine, 35, True)


def kernel(flags, path, wanted, what):
    """The best ratio of that path to the sha2 crate over messages of 64 KiB."""
    environment = dict(os.environ, RUSTFLAGS=flags) if flags else os.environ
    where = ["--target-dir", HERE.parent / "target/soft"] if flags else []
    out = subprocess.run(["cargo", "bench", "--locked", "--quiet", "--package", "sha256-lanes", "--bench", "kernel", *where], env=environment,
                         cwd=HERE.parent, check=True, capture_output=True, text=True).stdout
    equal = out.split("equal (")[1].split("\n\n")[0]
    ratios = [float(line.split(" x ")[1].split()[0]) for line in equal.splitlines() if line.strip().startswith(path)]
    target(f"kernel, {what}", max(ratios), wanted, True)


def main():
    lab = pathlib.Path(tempfile.mkdtemp(prefix="peers-"))
    try:
        model = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
        flags = next(line for line in open("/proc/cpuinfo") if line.startswith("flags"))
        aide = subprocess.run([AIDE, "--version"], capture_output=True, text=True)
        version = (aide.stdout + aide.stderr).split("\n")[0]
        print(f"{model}, {os.cpu_count()} cores, SHA instructions: {'yes' if ' sha_ni' in flags else 'no'}; {version}; {ROUNDS} rounds")
        root = pathlib.Path(tempfile.gettempdir()) / "peers-tree-26000"
        tree(root, 26_000, 950_000_000)
        bench = Bench(lab, root)
        chosen, floor = "agent check, threads its own choice", "cat -P8"
        names = [name for name in bench.peers() if name not in (chosen, floor)]
        medians, memory, times = bench.rounds(warm, names)
        show("warm", medians, memory, times)
        mine = medians["agent check"]
        aide_wanted = 25 if "0.18" in version else 3
        target("warm, times the speed of AIDE", medians["aide --check"] / mine, aide_wanted, True)
        target("warm, times the speed of openssl", medians["openssl dgst -P2"] / mine, 2, True)
        target("warm, against the bare walk", mine / medians["bare walk"], 1.8, False)
        target("baseline create against check", medians["agent baseline create"] / mine, 1.15, False)
        target("peak memory, 26,000 files", memory["agent check"] / 1024, 16, False, "MiB")

        warm(root)
        lanes(bench)

        medians, memory, times = bench.rounds(cold, [chosen, "agent check", "openssl dgst -P2", "aide --check", floor])
        show("cold", medians, memory, times)
        target("cold, times the speed of AIDE", medians["aide --check"] / medians[chosen], 2.6, True)
        target("cold, times the speed of openssl", medians["openssl dgst -P2"] / medians[chosen], 2.4, True)
        target("peak memory, 26,000 files cold", memory[chosen] / 1024, 24, False, "MiB")
        cold(root)
        run(bench.check(threads=()))
        target("cache left by a cold check", 100 * cached(root) / 950e6, 5, False, "%")

        cold(root)
        subprocess.run(f"find {root} -type f | sort | head -n 5000 | xargs cat > /dev/null", shell=True, check=True)
        before = cached(root)
        run(bench.check())
        target("of what was cached, left cached", 100 * min(1, cached(root) / before), 99, True, "%")

        whole, most = highest_rate(bench.check("--max-rate", "20M"))
        target("--max-rate 20M, whole run", whole / (20 << 20), 1.05, False)
        target("--max-rate 20M, worst second", most / (20 << 20), 1.05, False)

        big = lab / "big"
        big.mkdir()
        subprocess.run(f"head -c 4000000000 /dev/zero | openssl enc -aes-128-ctr -K 00 -iv 00 -out {big}/file", shell=True, check=True)
        one = Bench.__new__(Bench)
        one.lab, one.root = lab, big
        one.profile, one.manifest = bench.profile, lab / "big.mtree"
        run(one.create())
        pairs = []
        for _ in range(ROUNDS):
            warm(big)
            ours, resident = run(one.check())
            warm(big)
            theirs, _ = run(f"openssl dgst -sha256 {big}/file")
            pairs.append(theirs / ours)
        target("one file of 4 GB, against openssl", statistics.median(pairs), 0.95, True)
        target("one file of 4 GB, memory", resident / 1024, 16, False, "MiB")
        shutil.rmtree(big)

        versions = [run([AGENT, "--version"])[0] for _ in range(20)]
        target("agent --version", 1000 * statistics.median(versions), 5, False, "ms")

        runs = [run([AGENT, "check", "--only", "sshd.*", "--quiet"], (0, 1, 3))[0] for _ in range(20)]
        target("agent check --only 'sshd.*'", 1000 * statistics.median(runs), 20, False, "ms")

        if PACKAGES:
            packages(lab)

        if KERNEL:
            kernel("", "sha-ni by", 2.0, "SHA instructions")
            kernel('--cfg sha2_backend="soft"', "avx2 by", 2.5, "AVX2, against software")

        if MILLION:
            figures = {}
            for count in (10_000, 1_000_000):
                many = pathlib.Path(tempfile.gettempdir()) / f"peers-tree-{count}"
                if not many.exists():
                    for start in range(0, count, 10_000):
                        directory = many / f"d{start // 10_000:04}"
                        directory.mkdir(parents=True)
                        for i in range(10_000):
                            (directory / f"file-{i:05}").write_bytes(b"%d\n" % (start + i))
                lot = Bench.__new__(Bench)
                lot.lab, lot.root, lot.profile, lot.manifest = lab, many, bench.profile, lab / f"{count}.mtree"
                run(lot.create())
                runs = []
                for _ in range(3):
                    warm(many)
                    runs.append(run(lot.check()))
                figures[count] = (statistics.median(r[0] for r in runs) / count, max(r[1] for r in runs))
            target("peak memory, 1,000,000 files", figures[1_000_000][1] / 1024, 24, False, "MiB")
            target("time a file, 1,000,000 against 10,000", figures[1_000_000][0] / figures[10_000][0], 1.2, False)

        print("\n| target | measured | wanted | |\n|---|---|---|---|")
        for row in TARGETS:
            print("| " + " | ".join(row) + " |")
    finally:
        shutil.rmtree(lab, ignore_errors=True)


main()
