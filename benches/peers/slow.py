"""Cold reads from a disk that takes its time: an image behind nbdkit, with so much latency a request, as a loop device."""
import contextlib
import os
import pathlib
import subprocess
import tempfile
import time

from lab import PEERS, ROOT, cold, run, target, tree

FILES, BYTES = 3_000, 90_000_000


def image():
    """A file system that holds the tree, made once."""
    disk = PEERS / "slow.img"
    if disk.exists():
        return disk
    PEERS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        tree(pathlib.Path(place) / "tree", FILES, BYTES)
        made = disk.with_suffix(".new")
        made.unlink(missing_ok=True)
        subprocess.run(["truncate", "-s", "400M", made], check=True)
        subprocess.run(["mkfs.ext4", "-q", "-d", place, made], check=True)
        made.rename(disk)
    return disk


def until(what, ready):
    end = time.monotonic() + 20
    while not ready():
        if time.monotonic() > end:
            raise SystemExit(f"slow disk: {what}")
        time.sleep(0.05)


@contextlib.contextmanager
def mounted(microseconds):
    """The tree on a disk of which each request takes so long, any number of them at once."""
    plugin = PEERS / "slow_disk.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", plugin, ROOT / "benches/peers/slow_disk.c"], check=True)
    with tempfile.TemporaryDirectory() as place, contextlib.ExitStack() as stack:
        place = pathlib.Path(place)
        socket, fuse, mount = place / "socket", place / "fuse", place / "mount"
        fuse.mkdir()
        mount.mkdir()

        def serve(command):
            process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
            stack.callback(process.wait)
            stack.callback(process.terminate)

        serve(["nbdkit", "-f", "-r", "-t", "64", "-U", socket, plugin, f"disk={image()}", f"delay={microseconds}"])
        until("no nbdkit", socket.exists)
        serve(["nbdfuse", fuse, "--unix", socket])
        until("no nbdfuse", (fuse / "nbd").exists)
        # Past the page cache of the FUSE file, or a second run would find it there.
        loop = subprocess.run(["losetup", "--direct-io=on", "-r", "-f", "--show", fuse / "nbd"], check=True,
                              capture_output=True, text=True).stdout.strip()
        stack.callback(subprocess.run, ["losetup", "-d", loop])
        subprocess.run(["mount", "-o", "ro", loop, mount], check=True)
        stack.callback(subprocess.run, ["umount", mount])
        yield mount / "tree"


def measure(bench_of):
    """Prints what each takes; `bench_of` makes the commands for a tree."""
    print(f"\n| cold, {FILES} files, {BYTES // 1_000_000} MB, on a disk of | agent check s | its peak MiB | AIDE s | openssl s |\n"
          "|---|---|---|---|---|")
    for microseconds in (500, 1000, 5000):
        with mounted(microseconds) as root:
            commands = bench_of(root)
            seconds, peak = {}, 0
            for name in ("agent check, threads its own choice", "aide --check", "openssl dgst -P2"):
                cold(root)
                seconds[name], resident = run(commands[name])
                if name.startswith("agent"):
                    peak = resident / 1024
        mine, aide, openssl = seconds.values()
        print(f"| {microseconds / 1000:g} ms | {mine:.2f} | {peak:.1f} | {aide:.2f} | {openssl:.2f} |", flush=True)
        what = f"cold, a disk of {microseconds / 1000:g} ms"
        target(f"{what}, times the speed of AIDE", aide / mine, 2.6, True)
        target(f"{what}, times the speed of openssl", openssl / mine, 2.4, True)
        target(f"{what}, peak memory", peak, 24, False, "MiB")
