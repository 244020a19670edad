"""Run by peers.sh: times whole programs in turn and judges the ratios of their medians."""
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import rehash
import slow
from lab import (AGENT, PEERS, PROFILE, ROOT, WORKERS, cached, cold, in_turn, not_measured, run, show, target, tell_targets,
                 tree, warm)

BARE = str(ROOT / "target/release/examples/bare_walk")
THROUGHPUT = str(ROOT / "target/release/examples/throughput")
LANES = str(ROOT / "target/lanes/release/examples/check_tree")
AIDE = os.environ.get("AIDE", str(PEERS / "aide/aide"))
ROUNDS = int(os.environ.get("ROUNDS", "5"))
SKIP = os.environ.get("SKIP", "").split()
CHOSEN, FLOOR = "agent check, threads its own choice", "cat -P8"


class Bench:
    def __init__(self, lab, root, name="bench"):
        self.lab, self.root = lab, root
        self.profile, self.manifest = lab / "bench.toml", lab / f"{name}.mtree"
        self.profile.write_text(PROFILE)
        self.aide_config = lab / f"{name}-aide.conf"

    def recorded(self):
        run(self.create())
        return self

    def with_aide(self):
        database = self.aide_config.with_suffix(".db")
        self.aide_config.write_text(
            f"database_in=file:{database}\ndatabase_out=file:{database}\nreport_url=stdout\nnum_workers={WORKERS}\n"
            "gzip_dbout=no\n"
            f"{self.root} p+u+g+s+m+l+n+acl+xattrs+e2fsattrs+sha256\n"
        )
        run([AIDE, "-c", self.aide_config, "--init"])
        return self

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
            CHOSEN: self.check(threads=()),
            "agent baseline create": self.create(),
            "bare walk": [BARE, str(self.profile), str(self.root), WORKERS],
            "openssl dgst -P2": f"{find} openssl dgst -sha256",
            "sha256sum -P2": f"{find} sha256sum",
            "hashdeep -j2": f"hashdeep -c sha256 -j{WORKERS} -r {self.root}",
            "aide --check": [AIDE, "-c", str(self.aide_config), "--check"],
            # The floor when cold: reads, and does nothing else.
            FLOOR: f"find {self.root} -type f -print0 | xargs -0 -P8 -n 400 cat > /dev/null",
        }

    def rounds(self, prepare, names):
        commands = self.peers()
        return in_turn({name: commands[name] for name in names}, ROUNDS, lambda: prepare(self.root))


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


def is_warm(bench):
    names = [name for name in bench.peers() if name not in (CHOSEN, FLOOR)]
    medians, memory, times = bench.rounds(warm, names)
    show("warm", medians, memory, times)
    mine = medians["agent check"]
    target("warm, times the speed of AIDE", medians["aide --check"] / mine, 3, True)
    target("warm, times the speed of openssl", medians["openssl dgst -P2"] / mine, 2, True)
    target("warm, against the bare walk", mine / medians["bare walk"], 1.8, False)
    target("baseline create against check", medians["agent baseline create"] / mine, 1.15, False)
    target("peak memory, 26,000 files", memory["agent check"] / 1024, 16, False, "MiB")


def is_cold(bench):
    medians, memory, times = bench.rounds(cold, [CHOSEN, "agent check", "openssl dgst -P2", "aide --check", FLOOR])
    show("cold", medians, memory, times)
    target("cold, times the speed of AIDE", medians["aide --check"] / medians[CHOSEN], 2.6, True)
    target("cold, times the speed of openssl", medians["openssl dgst -P2"] / medians[CHOSEN], 2.4, True)
    target("cold, against reading alone", medians[CHOSEN] / medians[FLOOR], 1.1, False)
    target("peak memory, 26,000 files cold", memory[CHOSEN] / 1024, 24, False, "MiB")


def cache_and_rate(bench):
    root = bench.root
    cold(root)
    run(bench.check(threads=()))
    target("cache left by a cold check", 100 * cached(root) / 950e6, 5, False, "%")
    cold(root)
    subprocess.run(f"find {root} -type f | sort | head -n 5000 | xargs cat > /dev/null", shell=True, check=True)
    before = cached(root)
    run(bench.check())
    target("of what was cached, left cached", 100 * min(1, cached(root) / before), 99, True, "%")
    whole, most = highest_rate(bench.check("--max-rate", "100M"))
    target("--max-rate 100M, whole run", whole / (100 << 20), 1.05, False)
    target("--max-rate 100M, worst second", most / (100 << 20), 1.05, False)


def lanes(bench):
    """The share of blocks by lanes in use, from a build that counts them."""
    out = subprocess.run([LANES, bench.profile, bench.root, bench.manifest, WORKERS], check=True, capture_output=True, text=True).stdout
    shares = [line for line in out.splitlines() if " lanes: " in line]
    print("\nblocks by lanes in use: " + ", ".join(share.replace(" of blocks", "") for share in shares))
    target("blocks with all lanes in use", float(shares[-1].split(": ")[1].split()[0]), 95, True, "%")


def kernels():
    """The kernels alone against isa-l_crypto's, by its own benchmark program; processor time, the best of all rounds."""
    best = {}
    for _ in range(6):
        out = subprocess.run([THROUGHPUT], check=True, capture_output=True, text=True).stdout
        mine = {name: float(speed) for name, speed in (line.split() for line in out.splitlines())}
        for name in ("sha-ni", "avx2", "avx512"):
            if name not in mine:
                continue
            out = subprocess.run([PEERS / f"isal-{name}"], check=True, capture_output=True, text=True).stdout
            speed = next(line for line in out.splitlines() if line.startswith("multibinary"))
            theirs = float(speed.split(" = ")[-1].split()[0])
            old = best.get(name, (0, 0))
            best[name] = max(old[0], mine[name]), max(old[1], theirs)
    print("\n| SHA-256 of messages of 64 KiB | lanes MB/s | isa-l_crypto 2.26 MB/s |\n|---|---|---|")
    for name, (mine, theirs) in best.items():
        print(f"| {name} | {mine:.0f} | {theirs:.0f} |")
    for name in ("sha-ni", "avx2", "avx512"):
        if name in best:
            target(f"lanes against isa-l_crypto, {name}", best[name][0] / best[name][1], 1, True)
        else:
            not_measured(f"lanes against isa-l_crypto, {name}", "this processor lacks it")


def packages(lab):
    """The first run on this host, without a manifest, against what its package manager brings, in turn and warm."""
    config = lab / "none.toml"
    config.write_text(f'manifest = "{lab}/none.mtree"\n')
    mine = [AGENT, "check", "--config", config, "--profile", "default", "--only", "files.*", "--quiet"]
    commands = {"agent check, no manifest": mine, "dpkg --verify": ["dpkg", "--verify"]}
    run(mine, (0, 1, 2, 3))
    medians, memory, times = in_turn(commands, 3, codes=range(256))
    # It takes ten times as long: once.
    slowest = in_turn({"debsums -ca": ["debsums", "-ca"]}, 1, codes=range(256))
    for sums, more in zip((medians, memory, times), slowest):
        sums.update(more)
    show("first run", medians, memory, times)
    mine = medians["agent check, no manifest"]
    target("first run, times the speed of dpkg --verify", medians["dpkg --verify"] / mine, 5, True)
    target("first run, times the speed of debsums", medians["debsums -ca"] / mine, 35, True)


def one_large_file(bench, lab):
    big = lab / "big"
    big.mkdir()
    subprocess.run(f"head -c 2000000000 /dev/zero | openssl enc -aes-128-ctr -K 00 -iv 00 -out {big}/file", shell=True, check=True)
    one = Bench(lab, big, "big").recorded()
    pairs = []
    for _ in range(min(ROUNDS, 3)):
        warm(big)
        ours, resident = run(one.check())
        theirs, _ = run(f"openssl dgst -sha256 {big}/file")
        pairs.append(theirs / ours)
    target("one file of 2 GB, against openssl", statistics.median(pairs), 0.95, True)
    target("one file of 2 GB, memory", resident / 1024, 16, False, "MiB")
    shutil.rmtree(big)


def starts():
    versions = [run([AGENT, "--version"])[0] for _ in range(20)]
    target("agent --version", 1000 * statistics.median(versions), 5, False, "ms")
    runs = [run([AGENT, "check", "--only", "sshd.*", "--quiet"], (0, 1, 3))[0] for _ in range(20)]
    target("agent check --only 'sshd.*'", 1000 * statistics.median(runs), 20, False, "ms")


def million(lab):
    figures = {}
    for count in (10_000, 1_000_000):
        many = pathlib.Path(tempfile.gettempdir()) / f"peers-tree-{count}"
        if not many.exists():
            for start in range(0, count, 10_000):
                directory = many / f"d{start // 10_000:04}"
                directory.mkdir(parents=True)
                for i in range(10_000):
                    (directory / f"file-{i:05}").write_bytes(b"%d\n" % (start + i))
        lot = Bench(lab, many, str(count)).recorded()
        runs = []
        for _ in range(3):
            subprocess.run(f"find {many} -printf '%s' >/dev/null", shell=True, check=True)
            runs.append(run(lot.check()))
        figures[count] = (min(r[0] for r in runs) / count, max(r[1] for r in runs))
    target("peak memory, 1,000,000 files", figures[1_000_000][1] / 1024, 24, False, "MiB")
    target("time a file, 1,000,000 against 10,000", figures[1_000_000][0] / figures[10_000][0], 1.2, False)


def main():
    lab = pathlib.Path(tempfile.mkdtemp(prefix="peers-"))
    try:
        model = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
        flags = next(line for line in open("/proc/cpuinfo") if line.startswith("flags"))
        aide = subprocess.run([AIDE, "--version"], capture_output=True, text=True)
        version = (aide.stdout + aide.stderr).split("\n")[0]
        print(f"{model}, {os.cpu_count()} cores, SHA instructions: {'yes' if ' sha_ni' in flags else 'no'}; {version}; "
              f"{ROUNDS} rounds", flush=True)
        root = pathlib.Path(tempfile.gettempdir()) / "peers-tree-26000"
        tree(root, 26_000, 950_000_000)
        bench = Bench(lab, root).recorded().with_aide()
        parts = {
            "warm": lambda: is_warm(bench),
            "lanes": lambda: lanes(bench),
            "cold": lambda: is_cold(bench),
            "slow": lambda: slow.measure(lambda where: Bench(lab, where, "slow").recorded().with_aide().peers()),
            "kernel": kernels,
            "packages": lambda: packages(lab),
            "rehash": lambda: rehash.measure(lab, root, min(ROUNDS, 3)),
            "cache": lambda: cache_and_rate(bench),
            "large": lambda: one_large_file(bench, lab),
            "starts": starts,
            "million": lambda: million(lab),
        }
        unknown = set(SKIP) - set(parts)
        if unknown:
            sys.exit(f"SKIP names {', '.join(sorted(unknown))}; there are: {', '.join(parts)}")
        for name, part in parts.items():
            started = time.monotonic()
            if name in SKIP:
                continue
            try:
                part()
            # One that cannot be had here is no reason to lose the others.
            except (Exception, SystemExit) as error:
                not_measured(name, str(error) or repr(error))
            print(f"({name}: {time.monotonic() - started:.0f} s)", flush=True)
        tell_targets()
    finally:
        shutil.rmtree(lab, ignore_errors=True)


main()
