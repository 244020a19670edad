#!/usr/bin/env python3
"""A real `apt-get dist-upgrade` under the agent: tests/long dist-upgrade calls this.

A root of Debian 12 is made from the release alone, without its security and stable updates, and recorded with sources
that name all three. The daemon runs in it while apt-get brings it to today. Then everything that deviates is judged:
a signature explains it, or the finding says what did it and why its severity stays. Anything else is listed, and the
exit status is 1.

The mirrors are those of this machine's apt configuration, or AGENT_TEST_MIRROR and AGENT_TEST_SECURITY_MIRROR. The root
stays in target/long/dist-upgrade and is used again; remove it to have it made anew.
"""

import collections
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

PROJECT = pathlib.Path(__file__).resolve().parent.parent
STORE = PROJECT / "target/long/dist-upgrade"
CODENAME = "bookworm"
# Servers, tools and a kernel: what a fleet has, and what its updates bring.
PACKAGES = (
    "apt-utils bind9-dnsutils ca-certificates cron curl exim4-daemon-light gpg initramfs-tools iproute2 jq less "
    "libpam-modules linux-image-cloud-amd64 mariadb-client memcached nginx nodejs ntfs-3g open-iscsi openssh-server "
    "openssl parted patch perl php8.2-cli python3 python3-dnspython python3-lxml redis-server rsync rsyslog sudo "
    "tzdata unzip vim-tiny wget xz-utils zip zstd"
).split()
CONFIG = """[sinks.cloudwatch_logs]
enabled = false
[sinks.file]
path = "/var/log/host-integrity-agent.jsonl"
"""
EVENTS = "var/log/host-integrity-agent.jsonl"
MANIFEST = "/usr/share/host-integrity-agent/manifest.mtree"
# Seconds.
LONGEST = 1800
QUIET = 30
ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "DEBIAN_FRONTEND": "noninteractive",
    "LC_ALL": "C.UTF-8",
    "HOME": "/root",
}


def fail(text):
    raise SystemExit(f"dist-upgrade: {text}")


def mirrors():
    """Where the release and its security updates come from."""
    form = "$(REPO_URI) $(RELEASE)"
    listed = subprocess.run(["apt-get", "indextargets", "--format", form], capture_output=True, text=True, check=True)
    known = {release: uri for uri, release in (line.split() for line in sorted(set(listed.stdout.splitlines())))}
    main = os.environ.get("AGENT_TEST_MIRROR") or known.get(CODENAME)
    security = os.environ.get("AGENT_TEST_SECURITY_MIRROR") or known.get(f"{CODENAME}-security")
    if not main or not security:
        fail(f"no mirror of {CODENAME} and {CODENAME}-security in apt's sources: set AGENT_TEST_MIRROR, AGENT_TEST_SECURITY_MIRROR")
    return main, security


def chroot(root, *command, **more):
    return subprocess.run(["chroot", root, *command], env=ENVIRONMENT, stdin=subprocess.DEVNULL, **more)


def checked(root, *command):
    ran = chroot(root, *command, capture_output=True, text=True, errors="replace")
    if ran.returncode != 0:
        fail(f"{' '.join(command)}: {ran.returncode}\n{ran.stdout[-2000:]}\n{ran.stderr[-2000:]}")
    return ran.stdout


def mount(root):
    """What programs need of a running host, in this mount namespace alone."""
    for kind, at in (("proc", "proc"), ("sysfs", "sys")):
        subprocess.run(["mount", "-t", kind, kind, root / at], check=True)
    subprocess.run(["mount", "--rbind", "/dev", root / "dev"], check=True)
    for name in ("resolv.conf", "hosts"):
        shutil.copyfile(f"/etc/{name}", root / "etc" / name)


def pristine(main):
    """The root as the release had it."""
    root = STORE / "root"
    if (STORE / "made").exists():
        return root
    shutil.rmtree(root, ignore_errors=True)
    STORE.mkdir(parents=True, exist_ok=True)
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    with open(STORE / "debootstrap.log", "w") as log:
        command = ["debootstrap", "--variant=minbase", f"--keyring={keyring}", CODENAME, root, main]
        if subprocess.run(command, stdout=log, stderr=subprocess.STDOUT).returncode != 0:
            fail(f"debootstrap failed: {log.name}")
    (root / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")
    (root / "usr/sbin/policy-rc.d").chmod(0o755)
    (root / "etc/apt/sources.list").write_text(f"deb {main} {CODENAME} main\n")
    script = f"mount -t proc proc {root}/proc; cp /etc/resolv.conf /etc/hosts {root}/etc; exec chroot {root} \"$@\""
    inside = ["unshare", "--mount", "bash", "-euc", script, "bash"]
    for command in (["apt-get", "update", "-q"], ["apt-get", "install", "-qy", "--no-install-recommends", *PACKAGES], ["apt-get", "clean"]):
        with open(STORE / "install.log", "a") as log:
            ran = subprocess.run([*inside, *command], env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        if ran.returncode != 0:
            fail(f"{command[:2]}: {STORE}/install.log")
    shutil.rmtree(root / "var/lib/apt/lists")
    (STORE / "made").touch()
    return root


def record(root, main, security, agent):
    """Sources as a host has them, the agent in it, and a manifest of all that."""
    sources = [f"{main} {CODENAME}", f"{main} {CODENAME}-updates", f"{security} {CODENAME}-security"]
    (root / "etc/apt/sources.list").write_text("".join(f"deb {source} main\n" for source in sources))
    shutil.copyfile(agent, root / "usr/bin/agent")
    (root / "usr/bin/agent").chmod(0o755)
    for place in ("etc/host-integrity-agent", "usr/share/host-integrity-agent", "var/lib/host-integrity-agent", "run/host-integrity-agent"):
        (root / place).mkdir(parents=True)
    (root / "etc/host-integrity-agent/agent.toml").write_text(CONFIG)
    checked(root, "/usr/bin/agent", "baseline", "create", "--output", MANIFEST)


def events(root):
    """Every whole line of the log so far."""
    path = root / EVENTS
    text = path.read_bytes() if path.exists() else b""
    return [json.loads(line) for line in text[: text.rfind(b"\n") + 1].splitlines()]


def until(what, holds, daemon):
    begin = time.monotonic()
    while not holds():
        if daemon.poll() is not None:
            fail(f"the daemon ended with {daemon.returncode}, before {what}")
        if time.monotonic() - begin > LONGEST:
            fail(f"{what}: never")
        time.sleep(0.5)
    return time.monotonic() - begin


def settle(root, daemon):
    """Waits until nothing more is told."""
    size, since = 0, time.monotonic()

    def quiet():
        nonlocal size, since
        now = (root / EVENTS).stat().st_size
        if now != size:
            size, since = now, time.monotonic()
        return time.monotonic() - since > QUIET

    until("silence", quiet, daemon)


def scanned(root):
    ran = chroot(root, "/usr/bin/agent", "status", "--format", "json", capture_output=True, text=True)
    try:
        return json.loads(ran.stdout)["daemon"]["scan"]["ended"]
    except (ValueError, KeyError, TypeError):
        return None


def usage(pid):
    """Peak of resident memory in KiB, and processor time in seconds."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return peak, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def upgrade(root):
    """Runs it; returns its processor time in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with open(STORE / "upgrade.log", "w") as log:
        for command in (
            ["apt-get", "update", "-q"],
            ["apt-get", "dist-upgrade", "-qy", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confnew"],
        ):
            if chroot(root, *command, stdout=log, stderr=subprocess.STDOUT).returncode != 0:
                fail(f"{' '.join(command[:2])}: {log.name}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def packages(root):
    text = checked(root, "dpkg-query", "--show", "--showformat", "${Package} ${Version}\\n")
    return dict(line.split() for line in text.splitlines())


def listed(line):
    """Check and subject of a line of a listing, which has its path as manifests write it."""
    signs = {"+": "files.added", "-": "files.removed", "~": "files.changed"}
    path = re.sub(rb"\\([0-7]{3})", lambda octal: bytes([int(octal[1], 8)]), line[2:].encode())
    # As subjects have it: what is no UTF-8 is escaped.
    return signs[line[0]], path.decode(errors="backslashreplace")


def standing(told):
    """What the log side takes to deviate: check and path to the event that told it last."""
    open_ = {}
    for event in told:
        unmapped = event.get("unmapped", {})
        if event.get("activity_name") == "Package explained":
            for line in unmapped["listing"].splitlines():
                key = listed(line)
                if event["status"] == "Resolved":
                    open_.pop(key, None)
                else:
                    open_[key] = event
        elif event.get("class_uid") == 2004 and unmapped.get("subject", "").startswith("/"):
            key = (event["finding_info"]["analytic"]["uid"], unmapped["subject"])
            if event["activity_name"] == "Close":
                open_.pop(key, None)
            else:
                open_[key] = event
    return open_


def kind(event):
    """How it is explained, in words; what keeps its severity begins with `kept`, what nothing explains with `!`."""
    unmapped = event["unmapped"]
    if event.get("activity_name") == "Package explained":
        return "signed, by package"
    by = unmapped.get("explained_by") or {}
    reason = by.get("reason")
    if unmapped.get("unexplained_severity"):
        return f"signed, by itself ({unmapped['unexplained_severity']} without)"
    if by.get("evidence") == "signed" and reason is None:
        return "signed, by itself (low anyway)"
    if unmapped.get("changed") == "mtime" and (unmapped.get("cause") or {}).get("transaction"):
        return "kept: written anew in the transaction, in all but its time as recorded"
    if reason is None:
        return "! nothing is said"
    rule, _, detail = reason.partition(": ")
    if by.get("package") is None or rule in KEEPS:
        return f"kept: {rule}: {detail}" if by.get("package") is None else f"kept: {rule}"
    return f"! {reason}"


# Rules by which a finding of a real update keeps its severity though its cause is known.
KEEPS = (
    "the package is new on this host",
    "it is a key, a source or a setting by which the package manager decides whom to believe",
    "an attribute that changed is not as shipped",
    "it gives a new privilege",
)


def is_new(event):
    by = event["unmapped"].get("explained_by") or {}
    return (by.get("reason") or "").startswith("the package is new on this host")


def judge(told):
    """Prints what deviates by how it is explained; returns what is not, and how many are by a signature."""
    groups = collections.defaultdict(list)
    for (_, path), event in sorted(standing(told).items()):
        groups[kind(event)].append((event.get("severity"), path))
    unexplained, signed = [], 0
    for why, found in sorted(groups.items(), key=lambda item: -len(item[1])):
        if why.startswith("signed"):
            signed += len(found)
        elif why.startswith("!"):
            unexplained += [(severity, path, why) for severity, path in found]
        severities = collections.Counter(severity for severity, _ in found)
        print(f"  {len(found)}: {why} {dict(severities)}, as {found[0][1]}")
    return unexplained, signed


def by_check(root, told):
    """Paths on which a check afterwards and the daemon are not of one mind."""
    ran = chroot(root, "/usr/bin/agent", "check", "--only", "files.*", "--format", "json", capture_output=True, text=True)
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    found = {(line["check"], line["subject"]) for line in lines if line["kind"] == "finding" and line["verdict"] == "fail"}
    return found ^ set(standing(told))


def run(agent):
    main, security = mirrors()
    source = pristine(main)
    with tempfile.TemporaryDirectory(dir=STORE, ignore_cleanup_errors=True) as place:
        root = pathlib.Path(place) / "root"
        subprocess.run(["cp", "-a", "--one-file-system", source, root], check=True)
        mount(root)
        record(root, main, security, agent)
        before = packages(root)
        with open(STORE / "daemon.log", "w") as log:
            daemon = subprocess.Popen(["chroot", root, "/usr/bin/agent", "run"], env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            return watched(root, daemon, before)
        finally:
            if daemon.poll() is None:
                daemon.kill()
            daemon.wait()
            if (root / EVENTS).exists():
                shutil.copyfile(root / EVENTS, STORE / "events.jsonl")
            # Nothing of the host may be below what is removed now.
            subprocess.run(["umount", "--recursive", *(root / at for at in ("dev", "sys", "proc"))], check=True)


def watched(root, daemon, before):
    until("a whole scan", lambda: scanned(root), daemon)
    begun, (_, idle) = len(events(root)), usage(daemon.pid)
    by_apt = upgrade(root)
    ends = lambda: any(event.get("activity_name") == "Package transaction ended" for event in events(root)[begun:])
    took = until("the end of the transaction", ends, daemon)
    # What scripts left behind settles, and what was told too early is looked at again.
    settle(root, daemon)
    peak, used = usage(daemon.pid)
    told = events(root)
    size = sum(len(json.dumps(event)) for event in told[begun:])
    after = packages(root)
    upgraded = [name for name in after if name in before and after[name] != before[name]]
    new = sorted(set(after) - set(before))
    print(f"dist-upgrade: {len(upgraded)} packages upgraded, {len(new)} new ({' '.join(new)}), {len(set(before) - set(after))} removed")
    unexplained, signed = judge(told)
    apart = by_check(root, told)
    daemon.send_signal(signal.SIGTERM)
    daemon.wait(60)
    verified = chroot(root, "/usr/bin/agent", "log", "verify", f"/{EVENTS}", capture_output=True, text=True)
    lines = [event["unmapped"]["package"]["name"] for event in told if event.get("activity_name") == "New package"]
    unlike = sorted(set(lines) ^ {event["unmapped"]["explained_by"]["package"] for event in standing(told).values() if is_new(event)})
    print(
        f"dist-upgrade: {signed} by a signature; end told {took:.1f} s after apt's; {size} bytes of log; agent: peak {peak} KiB, "
        f"{used - idle:.1f} s of processor time; apt and dpkg: {by_apt:.1f} s"
    )
    wrong = [f"unexplained: {severity} {path}: {why}" for severity, path, why in unexplained]
    wrong += [f"told by the daemon or a check alone: {check} {path}" for check, path in sorted(apart)]
    wrong += [f"new by its files or by an event alone: {name}" for name in unlike]
    if len(set(lines)) != len(lines):
        wrong.append(f"a new package was told twice: {lines}")
    if len(upgraded) < 20:
        wrong.append(f"only {len(upgraded)} packages were upgraded")
    if daemon.returncode != 0 or verified.returncode != 0:
        wrong.append(f"the daemon ended with {daemon.returncode}, log verify with {verified.returncode}: {verified.stdout[-500:]}")
    for line in wrong:
        print(line)
    print(f"dist-upgrade: {len(wrong)} short; events: {STORE}/events.jsonl")
    return 1 if wrong else 0


if __name__ == "__main__":
    if {"-h", "--help"} & set(sys.argv[1:]) or len(sys.argv) != 2:
        print(__doc__)
        sys.exit(0 if len(sys.argv) == 2 else 2)
    if os.environ.get("AGENT_TEST_APART") != "1":
        # Its mounts, and whatever maintainer scripts start, end with it.
        apart = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable, __file__, sys.argv[1]]
        sys.exit(subprocess.run(apart, env={**os.environ, "AGENT_TEST_APART": "1"}).returncode)
    sys.exit(run(pathlib.Path(sys.argv[1]).resolve()))
