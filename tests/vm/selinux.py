#!/usr/bin/env python3
"""The agent under SELinux, enforcing: its own domain, no denial, no write but to its own. tests/vm/selinux calls this."""

import argparse
import os
import pathlib
import re
import sys
import time

from machine import Failed, Machine, Service, say, wait
from prove import INSTANCE, REGION, ROLE, UNIT, Logs, finding

SLOW = float(os.environ.get("VM_SLOW", "1"))
DOMAIN = "host_integrity_agent_t"
# Of the policies' http_port_t, as agent.toml has it.
MOTO = 8443
# A line of the audit log that one of the agent's types stands in, or its program.
OURS = re.compile(r'avc: +denied .*(host_integrity_agent_|comm="agent")')


class Proof:
    def __init__(self, work):
        self.work = work
        self.logs = Logs(MOTO, work)
        environment = {"IMDS_INSTANCE_ID": INSTANCE, "IMDS_REGION": REGION}
        self.imds = Service("imds", ["target/debug/examples/imds_server", "127.0.0.1:80", "required", ROLE], work, environment)
        self.machine = Machine(work, "security=selinux selinux=1 enforcing=1")
        self.proven = 0

    def close(self):
        for part in (self.machine, self.imds, self.logs.service):
            part.close()

    def must(self, what, holds, seen=""):
        if not holds:
            raise Failed(f"{what}: {seen}")
        self.proven += 1
        say(f"holds: {what}")

    def denials(self):
        """What was denied the agent, or denied others of what is the agent's, since power-on."""
        told = self.machine.ssh("cat /var/log/audit/audit.log; dmesg", check=False, timeout=120 * SLOW)
        return sorted({re.sub(r"(audit|msg=audit)\([0-9.:]+\)|pid=\d+|ino=\d+", "", line) for line in told.splitlines() if OURS.search(line)})

    def domain(self):
        enforcing = self.machine.ssh("getenforce").strip()
        self.must("SELinux enforces", enforcing == "Enforcing", enforcing)
        wait("the agent to run", 300 * SLOW, lambda: self.machine.ssh(f"systemctl is-active {UNIT}", check=False).strip() == "active")
        # All of its processes: the one that looks at others from outside the landlock domain is one of them.
        group = f"/sys/fs/cgroup/system.slice/{UNIT}/cgroup.procs"
        told = self.machine.ssh(f"for p in $(cat {group}); do cat /proc/$p/comm; tr -d '\\0' </proc/$p/attr/current; echo; done")
        words = told.split()
        contexts = dict(zip(words[::2], words[1::2]))
        domains = {context.split(":")[2] for context in contexts.values()}
        self.must("agent and agent-monitor run in its own domain", {"agent", "agent-monitor"} <= contexts.keys() and domains == {DOMAIN}, told)
        permissive = self.machine.ssh("semodule -lfull | grep -i permissive", check=False)
        self.must("no domain is permissive", DOMAIN not in permissive, permissive)

    def work_of_a_day(self):
        """Boot, a whole scan, the watch, shipping, a look by hand."""

        def settled():
            for status in self.machine.json("agent status --format json"):
                daemon = status["daemon"]
                if daemon and status["exit"] == 0 and daemon["scan"]["ended"] and not daemon["scan"]["running"]:
                    return daemon
            return None

        wait("an agent that watches, delivers, and has looked at everything", 900 * SLOW, settled)
        known = {event["metadata"]["uid"] for event in self.logs.events()}
        self.must("events were shipped", known)
        self.machine.ssh("echo '# touched' >> /etc/crontab")

        def told():
            new = [event for event in self.logs.events() if event["metadata"]["uid"] not in known]
            return [event for event in new if finding(event) == ("files.changed", "/etc/crontab")]

        self.must("a change is told while it watches", wait("the event", 60 * SLOW, told))
        # What the agent says of the host itself.
        looked = self.machine.json("agent check --only 'kernel.mac' --format json --no-progress")
        self.must("the agent finds SELinux enforcing", looked[0]["verdict"] == "pass", looked[0])
        unreadable = [
            finding(event)
            for event in self.logs.events()
            if finding(event) and event["unmapped"]["verdict"] == "unknown" and finding(event)[0].startswith("files.")
        ]
        self.must("no file is withheld from it", not unreadable, unreadable[:10])
        self.machine.ssh(f"systemctl restart {UNIT}", timeout=300 * SLOW)
        wait("the agent after a restart", 900 * SLOW, settled)
        self.upgrade()
        wait("the agent after an upgrade", 900 * SLOW, settled)
        held = settled()["confinement"]["holds"]
        self.must("it has given up what it does not need, in its domain", any(line.startswith("landlock") for line in held), held)
        denied = self.denials()
        self.must("nothing was denied over boot, scan, watch, shipping and an upgrade", not denied, "\n".join(denied[:60]))

    def upgrade(self):
        """By the package's own scripts, which take the module in anew, under the policy that an operator's shell has."""
        process = self.machine.ssh(f"systemctl show -P MainPID {UNIT}").strip()
        self.machine.copy(self.work / "newer.deb", "/run/newer.deb")
        said = self.machine.ssh("DEBIAN_FRONTEND=noninteractive dpkg -i /run/newer.deb 2>&1", timeout=900 * SLOW)
        self.must("the upgrade's scripts complain of nothing", "host-integrity-agent: " not in said, said)
        after = self.machine.ssh(f"systemctl show -P MainPID {UNIT}").strip()
        self.must("an upgrade restarts it", after not in (process, "0"), f"{process}, then {after}")
        told = self.machine.ssh(f"tr -d '\\0' </proc/{after}/attr/current")
        self.must("into its domain", told.split(":")[2] == DOMAIN, told)
        kept = self.machine.ssh("semodule -lfull | grep host_integrity_agent", check=False)
        self.must("and its module is in the policy once", kept.split() == ["200", "host_integrity_agent", "pp"], kept)

    def alone(self, number, user, place):
        """What the agent says when it writes a manifest there, without systemd's walls; and what is there then."""
        unit = f"own-{number}"
        line = (
            # Not by --pipe: the domain has no business with pipes of log-ins.
            f"systemd-run --quiet --wait --unit={unit} -p SELinuxContext=system_u:system_r:{DOMAIN}:s0 -p User={user}"
            f" /usr/bin/agent baseline create --root /usr/share/doc/adduser --profile default --output {place};"
            f" journalctl --sync; journalctl --unit={unit} --output=cat --no-pager; ls {place} 2>&1"
        )
        return self.machine.ssh(line, check=False, timeout=300 * SLOW)

    def walls(self):
        """The domain alone: it writes its own directories, and nothing else though root may."""
        own = "/var/lib/host-integrity-agent/own.mtree"
        said = self.alone(0, "host-integrity-agent", own)
        self.must("it writes its own directory", said.strip().endswith(own), said)
        places = ("/etc/systemd/system/own.service", "/usr/bin/own", "/root/own", "/tmp/own", "/etc/host-integrity-agent/own")
        for number, place in enumerate(places, 1):
            said = self.alone(number, "root", place)
            self.must(f"it cannot write {place}", "ermission denied" in said and "No such file" in said, said)
        denied = self.denials()
        self.must("and that is in the audit log", any(f"scontext=system_u:system_r:{DOMAIN}" in line for line in denied), denied)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=pathlib.Path, required=True)
    work = parser.parse_args().work
    started = time.monotonic()
    proof = Proof(work)
    try:
        proof.machine.boot(900 * SLOW)
        proof.domain()
        proof.work_of_a_day()
        proof.walls()
        proof.machine.off(300 * SLOW)
    except Failed as failure:
        say(f"FAILED: {failure}")
        say(f"serial console: {proof.machine.serial}; servers: {work}/*.log")
        print(f"{proof.proven} passed, 1 failed")
        sys.exit(1)
    finally:
        proof.close()
    say(f"in {time.monotonic() - started:.0f} s")
    print(f"{proof.proven} passed, 0 failed")


if __name__ == "__main__":
    main()
