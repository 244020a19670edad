#!/usr/bin/env python3
"""What only a real boot can prove. tests/vm/run makes the image and calls this."""

import argparse
import collections
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import boto3
import botocore.config

from machine import INSTANCE, Failed, Machine, Service, say, wait

UNIT = "host-integrity-agent.service"
REGION = "eu-central-1"
GROUP = "/host-integrity-agent"
ROLE = "writer"
SLOW = float(os.environ.get("VM_SLOW", "1"))

# What a stock Debian 12 with cloud-init does not fulfil. Nothing of it is the agent's doing.
STOCK = {
    "accounts.sudo_nopasswd",
    "console.serial_password",
    "logging.auditd",
    "sshd.allow_tcp_forwarding",
    "sshd.config_permissions",
    "sshd.ignore_user_known_hosts",
    "sshd.limit_user_access",
    "sshd.login_grace_time",
    "sshd.max_auth_tries",
    "sshd.max_startups",
    "sshd.password_authentication",
    "sshd.permit_root_login",
    "sshd.x11_forwarding",
}

# What this stage does not fulfil: user-mode networking answers with a TTL of its own, and there is no SSM agent.
STAGE = {"instance.imds_hop_limit", "instance.ssm_agent"}

# What the daemon cannot know and root can: the environments of other users' processes, without CAP_SYS_PTRACE.
ENVIRONMENTS = ("credentials.no_long_term_keys", "credentials")
# Which programs they run is hidden too.
PROGRAMS = ("processes.deleted_program", "processes")


# KiB of the idle daemon: its own, and with the pages of the binary, which it shares with the page cache. 16 MiB in all
# is what should be reached.
ANONYMOUS = 10 * 1024
RESIDENT = 22 * 1024


class Logs:
    """What arrived in CloudWatch Logs, which is moto on this machine."""

    def __init__(self, port, work):
        endpoint = f"http://127.0.0.1:{port}"
        server = pathlib.Path(sys.executable).with_name("moto_server")
        self.service = Service("moto", [server, "-H", "127.0.0.1", "-p", str(port)], work)
        self.client = boto3.client(
            "logs",
            endpoint_url=endpoint,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=botocore.config.Config(retries={"max_attempts": 1}),
        )
        wait("moto", 60, self.ready)

    def ready(self):
        try:
            self.client.create_log_group(logGroupName=GROUP)
            return True
        except Exception:  # Not listening yet.
            return False

    def messages(self):
        """The exact text of each event, oldest first."""
        found, token = [], None
        while True:
            arguments = {"logGroupName": GROUP, "logStreamName": INSTANCE, "startFromHead": True}
            if token:
                arguments["nextToken"] = token
            try:
                answer = self.client.get_log_events(**arguments)
            except self.client.exceptions.ResourceNotFoundException:
                return []
            found += [event["message"] for event in answer["events"]]
            if not answer["events"] or answer["nextForwardToken"] == token:
                return found
            token = answer["nextForwardToken"]

    def events(self):
        """Each event once."""
        seen, found = set(), []
        for message in self.messages():
            event = json.loads(message)
            if event["metadata"]["uid"] not in seen:
                seen.add(event["metadata"]["uid"])
                found.append(event)
        return found

    def stall(self, stalled):
        """Answers nothing for a while, as a network that swallows packets."""
        self.service.process.send_signal(signal.SIGSTOP if stalled else signal.SIGCONT)


def finding(event):
    """(check, subject) of an event about a finding."""
    if event["class_uid"] not in (2003, 2004):
        return None
    return event["finding_info"]["analytic"]["uid"], event["unmapped"]["subject"]


def open_findings(events):
    """Those that were raised and not cleared, with their verdict."""
    found = {}
    for event in sorted(events, key=lambda event: event["metadata"].get("sequence", 0)):
        about = finding(event)
        if about is None:
            continue
        if event["activity_name"] == "Close":
            found.pop(about, None)
        else:
            found[about] = event["unmapped"]["verdict"]
    return found


class Proof:
    def __init__(self, work, moto_port):
        self.work = work
        self.logs = Logs(moto_port, work)
        imds = pathlib.Path("target/debug/examples/imds_server")
        environment = {"IMDS_INSTANCE_ID": INSTANCE, "IMDS_REGION": REGION, "IMDS_USER_DATA": str(work / "user-data")}
        self.imds = Service("imds", [imds, "127.0.0.1:80", "required", ROLE], work, environment)
        self.machine = Machine(work)
        self.figures = collections.OrderedDict()
        self.proven = 0

    def close(self):
        for part in (self.machine, self.imds, self.logs.service):
            part.close()

    def keep(self):
        """Leaves what arrived beside the logs."""
        try:
            (self.work / "events.jsonl").write_text("".join(message + "\n" for message in self.logs.messages()))
        except Exception as error:  # Whatever failed before is told first.
            say(f"the events could not be kept: {error}")

    def must(self, what, holds, otherwise=""):
        if not holds:
            raise Failed(f"{what} {otherwise}")
        self.proven += 1
        say(f"holds: {what}")

    def unit(self, name):
        """A property of the unit."""
        return self.machine.ssh(f"systemctl show {UNIT} -p {name} --value").strip()

    def no_unit_failed(self):
        failed = self.machine.ssh("systemctl --failed --no-legend --plain").strip()
        self.must(f"boot {self.machine.boots}: no unit failed", failed == "", failed)

    def uids(self):
        return {event["metadata"]["uid"] for event in self.logs.events()}

    def arrives(self, what, known, seconds, check, subject=None):
        """Waits for a new event about a finding; returns how long it took."""
        since = time.monotonic()

        def look():
            for event in self.logs.events():
                about = finding(event)
                if event["metadata"]["uid"] in known or about is None:
                    continue
                if about[0] == check and subject in (None, about[1]) and event["activity_name"] != "Close":
                    return event
            return None

        event = wait(f"an event: {what}", seconds * SLOW, look)
        self.proven += 1
        self.figures[f"{what}: seconds until it arrived"] = round(time.monotonic() - since, 1)
        return event

    def settled(self, delivering=True):
        """Waits until the agent watches, delivers, and has looked at everything once; returns its status."""

        def look():
            for status in self.machine.json("agent status --format json"):
                daemon = status["daemon"]
                well = status["exit"] == 0 if delivering else daemon and daemon["watching"]
                return daemon if well and daemon["scan"]["ended"] and not daemon["scan"]["running"] else None
            return None

        what = "watches, delivers" if delivering else "watches"
        return wait(f"an agent that {what} and has looked at everything", 600 * SLOW, look)

    def recorded(self):
        """Waits until what the first boot changed is on record."""
        wait(
            "the launch record",
            600 * SLOW,
            lambda: any(event.get("activity_name") == "Launch record" for event in self.logs.events()),
        )

    # --- the subjects ------------------------------------------------------------------------------

    def first_boot(self):
        self.machine.boot(500 * SLOW)
        self.no_unit_failed()
        self.recorded()
        scanned = self.settled()["scan"]["ended"]
        say(self.machine.ssh("agent status"))
        events = self.logs.events()
        about_files = [about for about in map(finding, events) if about and about[0].startswith("files.")]
        self.must("an untouched first boot raises no finding about a file", not about_files, about_files)
        heartbeats = [event for event in events if "chain_head" in event.get("unmapped", {})]
        self.must("heartbeats arrive", heartbeats)
        asked = self.imds.log.read_text()
        self.must(
            "they are signed with the role's credentials from the metadata service",
            f"GET /latest/meta-data/iam/security-credentials/{ROLE} 200" in asked,
        )
        told = open_findings(events)
        # Beside the daemon's own look, so that both saw the same.
        checked = self.machine.json("agent check --format json --no-progress")
        by_root = {
            (line["check"], line["subject"]): line["verdict"]
            for line in checked
            if line["kind"] == "finding" and line["verdict"] in ("fail", "unknown")
        }
        confined = by_root | {ENVIRONMENTS: "unknown", PROGRAMS: "unknown"}
        different = sorted(set(told.items()) ^ set(confined.items()))
        self.must("the confined daemon finds what root finds", not different, different)
        failed = {check for (check, _), verdict in by_root.items() if verdict == "fail"}
        self.must("a stock Debian fails what is known of it", failed == STOCK | STAGE, sorted(failed ^ (STOCK | STAGE)))

        # The agent's user has files and rights of its own only where it should.
        for name, value in (("User", "host-integrity-agent"), ("ActiveState", "active"), ("NRestarts", "0")):
            self.must(f"{name}={value}", self.unit(name) == value, self.unit(name))
        exposure = self.machine.ssh(f"systemd-analyze security --no-pager {UNIT} | tail -n 1").split(":")[-1].split()[0]
        self.must(f"its exposure, {exposure}, is at most 2.0", float(exposure) <= 2)

        self.confined()

        # What it costs the boot.
        chain = self.machine.ssh("systemd-analyze critical-chain --no-pager")
        self.must("the unit is not on the critical chain", UNIT not in chain, chain)
        ready = self.machine.ssh(f'date -u -d "$(systemctl show {UNIT} -p ActiveEnterTimestamp --value)" +%FT%TZ').strip()
        self.must("READY does not wait for the first scan", ready < scanned, f"{ready}, {scanned}")
        self.figures["the boot, by systemd-analyze"] = self.machine.ssh("systemd-analyze time").splitlines()[0]
        self.figures["of it the agent until READY"] = self.machine.ssh(f"systemd-analyze blame --no-pager | grep {UNIT}").split()[0]

        # After a whole scan.
        group = f"/sys/fs/cgroup{self.unit('ControlGroup')}"
        weight = self.machine.ssh(f"cat {group}/cpu.weight").strip()
        self.must("it gives way to all others, and is not starved by them", weight == "10", weight)
        events = dict(line.split() for line in self.machine.ssh(f"cat {group}/memory.events").splitlines())
        self.must("a whole scan stays below MemoryMax", events["max"] == events["oom_kill"] == "0", events)
        peak = int(self.machine.ssh(f"cat {group}/memory.peak"))
        self.figures["memory at most, page cache included, KiB"] = f"{peak // 1024}, over MemoryHigh {events['high']} times"
        own = self.machine.ssh(f"grep VmHWM /proc/{self.unit('MainPID')}/status").split()[1]
        self.figures["resident at most, KiB"] = own

    def processes(self, daemon, monitor):
        """The capabilities of the daemon and of the process beside it that looks at others, and what else is given up."""
        main = self.unit("MainPID")
        beside = self.machine.ssh(f"cat /proc/{main}/task/{main}/children").split()
        self.must("one process beside the daemon looks at others", len(beside) == 1, beside)
        for process, capabilities in ((main, daemon), (beside[0], monitor)):
            lines = self.machine.ssh(f"cat /proc/{process}/status").splitlines()
            status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
            held = {key: status[key].strip() for key in ("Seccomp", "NoNewPrivs", "CapEff", "CapPrm")}
            mask = f"{capabilities:016x}"
            wanted = {"Seccomp": "2", "NoNewPrivs": "1", "CapEff": mask, "CapPrm": mask}
            self.must(f"{status['Name'].strip()} is confined to capabilities {mask}", held == wanted, held)

    def confined(self):
        """What the agent took from itself, as the kernel shows it, and what the same code cannot do on this kernel."""
        # CAP_DAC_READ_SEARCH.
        self.processes(1 << 2, 1 << 2)
        told = self.machine.json("agent status --format json")[0]["daemon"]["confinement"]
        say(json.dumps(told, indent=1))
        for what in ("landlock", "system calls", "no new privileges"):
            self.must(f"status says that it holds: {what}", any(what in line for line in told["holds"]), told)
        lacks = [line for line in told["lacks"] if "it needs Linux 6.3" not in line]
        self.must("nothing lacks but what this kernel has not", not lacks, told)
        # Nothing can be run from /run.
        self.machine.copy(self.work / "confined", "/var/tmp/confined")
        cases = self.machine.ssh("cd /var/tmp && chmod u+x confined && ./confined 2>&1; rm confined", timeout=120 * SLOW)
        say(cases)
        self.must("each case of a confined process holds on this kernel", "FAILED" not in cases and " ... ok" in cases)

    def refused(self):
        """What it gave up it cannot have again; nothing else was refused to it."""
        config = "/etc/host-integrity-agent/agent.toml"
        self.machine.ssh(
            f"cp -a {config} /run/agent.toml && install -d -o host-integrity-agent /var/tmp/events"
            f" && printf '[sinks.file]\\npath = \"/var/tmp/events/events.jsonl\"\\n' >> {config} && systemctl reload {UNIT}"
        )

        def told(code):
            return [event for event in self.logs.events() if event.get("status_code", "").startswith(code)]

        event = wait("a refused reload", 60 * SLOW, lambda: told("reload.refused"))[0]
        self.must("a directory that it cannot write is refused with what to do", "restart it" in event["message"], event)
        self.machine.ssh(f"cp -a /run/agent.toml {config} && systemctl reload {UNIT}")
        self.settled()
        self.must("no system call was refused, and nobody was blind", not told("confinement"), told("confinement"))

    def idle(self, seconds, unoptimised):
        say(f"idle for {seconds} s")
        before = int(self.unit("CPUUsageNSec"))
        time.sleep(seconds)
        used = (int(self.unit("CPUUsageNSec")) - before) / 1e9
        lines = self.machine.ssh(f"grep -E '^(VmRSS|RssAnon)' /proc/{self.unit('MainPID')}/status").split()
        resident, anonymous = int(lines[1]), int(lines[4])
        self.figures["resident after idling, KiB"] = resident
        self.figures["of it anonymous, KiB"] = anonymous
        self.figures["processor, percent of one (emulated)"] = round(100 * used / seconds, 2)
        if not unoptimised:
            self.must("idle it takes no more than is known", resident <= RESIDENT and anonymous <= ANONYMOUS, (resident, anonymous))

    def cache(self):
        """This kernel is older than 6.14: what a scan brings into the page cache it has to drop again."""
        # The agent's own file is mapped while it runs.
        files = "find /usr/bin /usr/lib /usr/sbin -xdev -type f ! -path /usr/bin/agent -print0"
        cached = f"{files} | xargs -0 fincore -b -n -o RES | awk '{{ s += $1 }} END {{ print s }}'"
        size = int(self.machine.ssh(f"{files} | xargs -0 cat | wc -c"))
        before = int(self.machine.ssh(f"sync; echo 3 > /proc/sys/vm/drop_caches; {cached}"))
        self.machine.ssh("agent check --only 'files.*' --quiet --no-progress", timeout=300)
        after = int(self.machine.ssh(cached))
        self.figures["page cache that a cold check left, percent of what it read"] = round(100 * (after - before) / size, 2)
        self.must("a cold check leaves nothing in the page cache", after - before <= size // 20, (before, after, size))

    def changes(self, quick):
        table = [
            # First, so that no earlier change has settings judged already.
            (
                "PermitRootLogin yes",
                # Read by sshd, too: a configuration that it has not read yet is a finding that a reboot clears.
                "echo 'PermitRootLogin yes' > /etc/ssh/sshd_config.d/00-root.conf && systemctl reload ssh",
                "sshd.permit_root_login",
                None,
            ),
            ("/etc/passwd changed", "echo '# touched' >> /etc/passwd", "files.changed", "/etc/passwd"),
            (
                "a new setuid file",
                "cp /usr/bin/true /usr/local/bin/helper && chmod 4755 /usr/local/bin/helper",
                "files.added",
                "/usr/local/bin/helper",
            ),
            ("a removed binary", "rm /usr/bin/less", "files.removed", "/usr/bin/less"),
        ]
        for what, line, check, subject in table[: 3 if quick else 4]:
            known = self.uids()
            self.machine.ssh(line)
            self.arrives(what, known, 10, check, subject)

    def reboot(self):
        before = open_findings(self.logs.events())
        known = self.uids()
        self.machine.off(180 * SLOW)
        new = [event for event in self.logs.events() if event["metadata"]["uid"] not in known]
        self.must("its end is told", any(event["class_uid"] == 6002 for event in new), [e["class_uid"] for e in new])

        known = self.uids()
        self.machine.mounted("printf x >> usr/bin/passwd")
        self.machine.start()
        self.arrives("changed while the machine was off, since power-on", known, 120, "files.changed", "/usr/bin/passwd")
        wait("a log-in", 400 * SLOW, self.machine.reachable)
        self.settled()
        self.no_unit_failed()
        after = open_findings(self.logs.events())
        lost = set(before) - set(after)
        self.must("a reboot forgets no finding", not lost, lost)
        raised = [finding(e) for e in self.logs.events() if finding(e) and e["activity_name"] == "Create"]
        twice = [about for about, count in collections.Counter(raised).items() if count > 1]
        self.must("a reboot tells no finding twice", not twice, twice)

    def power_cut(self):
        before = open_findings(self.logs.events())
        known = self.uids()
        self.logs.stall(True)
        self.machine.ssh("echo 'd /tmp/x 1777' > /etc/tmpfiles.d/evil.conf")
        # Longer than the store takes to commit; nothing is delivered meanwhile.
        time.sleep(10 * SLOW)
        self.machine.pull_the_plug()
        self.logs.stall(False)
        # What lay in its buffers the server takes now: sent, and never acknowledged.
        time.sleep(5 * SLOW)
        taken = self.uids()

        # Nor is there a network after it.
        self.machine.boot(500 * SLOW, network=False)
        status = self.settled(delivering=False)
        self.must("without a network it watches", not status["delivering"] and status["spool"]["events"] > 0, status)
        self.no_unit_failed()
        self.machine.ssh("chmod u+s /usr/bin/env")
        wait(
            "a deviation to be found without a network",
            10 * SLOW,
            lambda: self.settled(delivering=False)["spool"]["open"] > status["spool"]["open"],
        )
        self.machine.off(180 * SLOW)
        self.must("nothing was delivered without a network", self.uids() == taken)

        self.machine.boot(500 * SLOW)
        self.arrives("found before a power cut, delivered after it", known, 240, "files.added", "/etc/tmpfiles.d/evil.conf")
        self.arrives("found without a network, delivered with one", known, 240, "files.changed", "/usr/bin/env")
        self.settled()
        lost = set(before) - set(open_findings(self.logs.events()))
        self.must("a power cut forgets no finding", not lost, lost)

    def upgrade(self, deb):
        process = self.unit("MainPID")
        before = open_findings(self.logs.events())
        self.machine.copy(deb, "/run/agent.deb")
        self.machine.ssh("DEBIAN_FRONTEND=noninteractive dpkg --force-confold -i /run/agent.deb", timeout=300)
        after = self.unit("MainPID")
        self.must("an upgrade restarts it", after not in (process, "0"), f"{process}, then {after}")
        self.settled()
        lost = set(before) - set(open_findings(self.logs.events()))
        self.must("an upgrade forgets no finding", not lost, lost)

    def attribution(self):
        self.machine.ssh(
            f"install -D -m 0644 /usr/share/host-integrity-agent/attribution.conf /etc/systemd/system/{UNIT}.d/attribution.conf"
            f" && systemctl daemon-reload && systemctl restart {UNIT}"
        )
        status = self.settled()
        told = status["watch"]["attribution"]
        self.must("the drop-in permits attribution", told.startswith("changes are attributed"), told)
        # CAP_SYS_ADMIN for fanotify, CAP_SYS_PTRACE for who others are, and CAP_DAC_READ_SEARCH.
        self.processes(1 << 21 | 1 << 2, 1 << 19 | 1 << 2)
        wait(
            "the environments of processes to be judged",
            60 * SLOW,
            lambda: ENVIRONMENTS not in open_findings(self.logs.events()),
        )
        self.proven += 1
        known = self.uids()
        # The last command of a line takes the shell's place, so that what is last must not come too soon.
        self.machine.ssh("echo '# by whom' >> /etc/crontab; sleep 1; true")
        event = self.arrives("a change with its author", known, 10, "files.changed", "/etc/crontab")
        actor = event.get("actor", {}).get("process", {})
        by = (actor.get("file", {}).get("path"), actor.get("user", {}).get("uid"))
        self.must("the event names who changed the file", by == ("/usr/bin/bash", "0"), actor)
        self.figures["exposure with attribution"] = (
            self.machine.ssh(f"systemd-analyze security --no-pager {UNIT} | tail -n 1").split(":")[-1].split()[0]
        )

    def chain(self):
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
            file.write("\n".join(self.logs.messages()) + "\n")
            file.flush()
            ran = subprocess.run([self.work / "agent", "log", "verify", file.name], capture_output=True, text=True)
        self.must("the chain of what arrived is whole", ran.returncode == 0, ran.stdout + ran.stderr)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--moto", type=int, required=True)
    parser.add_argument("--deb", type=pathlib.Path, required=True)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--unoptimised", action="store_true", help="memory is printed and not judged")
    parser.add_argument("--idle", type=int, default=300)
    options = parser.parse_args()
    started = time.monotonic()
    proof = Proof(options.work, options.moto)
    try:
        proof.first_boot()
        if not options.quick:
            proof.idle(options.idle, options.unoptimised)
        proof.cache()
        proof.changes(options.quick)
        proof.refused()
        if not options.quick:
            proof.reboot()
            proof.power_cut()
            proof.upgrade(options.deb)
            proof.attribution()
            proof.machine.off()
        proof.chain()
    except Failed as failure:
        say(f"FAILED: {failure}")
        say(f"serial console: {proof.machine.serial}; what arrived: {options.work}/events.jsonl; servers: {options.work}/*.log")
        print(f"{proof.proven} passed, 1 failed")
        sys.exit(1)
    finally:
        for name, value in proof.figures.items():
            say(f"{name}: {value}")
        proof.keep()
        proof.close()
    say(f"in {time.monotonic() - started:.0f} s")
    print(f"{proof.proven} passed, 0 failed")


if __name__ == "__main__":
    main()
