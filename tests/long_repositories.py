#!/usr/bin/env python3
"""Which repositories take unsigned packages, and what waits, by zypper and dnf5 themselves and by the agent: tests/long
repositories ROOT calls this.

Configurations by dice are laid into a root of their own, and the program is asked to install a package that nobody signed
from a repository that nobody signed. The agent judges the same files (packages.gpgcheck). Then advisories, packed by each
compression that createrepo_c has, are taken into the cache by the program, and the agent reads the cache.
"""

import json
import os
import pathlib
import random
import subprocess
import sys

SPEC = """Name: demo
Version: {version}
Release: 1
Summary: a test
License: none
BuildArch: noarch
%description
a test
%files
"""
ADVISORY = """<?xml version="1.0"?>
<updates><update from="x" status="final" type="security" version="1"><id>LAB-1</id><title>t</title>
<issued date="2026-11-01 00:00:00"/><updated date="2026-11-01 00:00:00"/><severity>Important</severity>
<description>d</description><pkglist><collection short="c"><name>n</name>
<package name="demo" version="1.1" release="1" epoch="0" arch="noarch" src="demo-1.1-1.src.rpm">
<filename>demo-1.1-1.noarch.rpm</filename></package></collection></pkglist></update></updates>
"""
RELEASE = {"zypper": "ID=sles\nVERSION_ID=16.0\nID_LIKE=suse\n", "dnf5": "ID=fedora\nVERSION_ID=44\n"}
REPOS = {"zypper": "etc/zypp/repos.d", "dnf5": "etc/yum.repos.d"}
MAIN = {
    "zypper": ["etc/zypp/zypp.conf", "usr/share/zypp/zypp.conf", "etc/zypp/zypp.conf.d/10-a.conf", "etc/zypp/zypp.conf.d/90-b.conf",
               "usr/share/zypp/zypp.conf.d/10-a.conf", "usr/share/zypp/zypp.conf.d/50-c.conf"],
    "dnf5": ["etc/dnf/dnf.conf", "etc/dnf/libdnf5.conf.d/10-a.conf", "etc/dnf/libdnf5.conf.d/90-b.conf",
             "usr/share/dnf5/libdnf.conf.d/10-a.conf", "usr/share/dnf5/libdnf.conf.d/50-c.conf"],
}
OVERRIDES = ["etc/dnf/repos.override.d/10-a.repo", "etc/dnf/repos.override.d/90-b.repo", "usr/share/dnf5/repos.override.d/10-a.repo",
             "usr/share/dnf5/repos.override.d/50-c.repo"]
WORDS = {"zypper": ["0", "1", "no", "yes", "off", "on", "False", "TRUE", "never", "always"], "dnf5": ["0", "1", "no", "yes", "False", "True"]}
# zypper goes by the zypp.conf of the host, whatever --root says: that of the tree is put in its place.
APART = ["unshare", "--mount", "sh", "-ec", 'for d in etc usr/share; do mount --bind /lab/tree/$d/zypp /$d/zypp; done; exec "$@"', "sh"]
INSTALL = {
    "zypper": [*APART, "zypper", "--non-interactive", "--root", "/lab/tree", "install", "demo"],
    "dnf5": ["dnf5", "-y", "--installroot=/lab/tree", "--releasever=1", "install", "demo"],
}
REFRESH = {
    "zypper": [*APART, "zypper", "--non-interactive", "--root", "/lab/tree", "refresh"],
    "dnf5": ["dnf5", "-y", "--installroot=/lab/tree", "--releasever=1", "advisory", "list", "--security"],
}


class Lab:
    def __init__(self, agent, root, dice):
        self.agent, self.root, self.dice = agent, root, dice
        self.lab = root / "lab"
        self.tree = self.lab / "tree"

    def inside(self, *words):
        command = ["chroot", self.root, "env", "LC_ALL=C", *words]
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)

    def must(self, *words):
        ran = self.inside(*words)
        if ran.returncode != 0:
            raise SystemExit(f"long: {words}: {ran.stdout}{ran.stderr}")

    def packages(self):
        """/lab/old with demo 1.0, /lab/new with 1.1; signed by nobody."""
        self.inside("rm", "-rf", "/lab")
        for name, version in (("old", "1.0"), ("new", "1.1")):
            place = self.lab / name
            place.mkdir(parents=True)
            (self.lab / "demo.spec").write_text(SPEC.format(version=version))
            self.must("rpmbuild", "-bb", "--quiet", "--define", "_topdir /lab/build", "--define", f"_rpmdir /lab/{name}", "/lab/demo.spec")
            self.must("createrepo_c", "--quiet", f"/lab/{name}")

    def write(self, path, text):
        file = self.tree / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def fresh(self, program):
        self.inside("rm", "-rf", "/lab/tree")
        self.write("etc/os-release", RELEASE[program])
        for place in ("etc/zypp", "usr/share/zypp"):
            (self.tree / place).mkdir(parents=True)

    def switches(self, program):
        keys = {"zypper": ["gpgcheck", "repo_gpgcheck", "pkg_gpgcheck"], "dnf5": ["gpgcheck", "pkg_gpgcheck"]}[program]
        return "".join(f"{key}={self.dice.choice(WORDS[program])}\n" for key in keys if self.dice.randrange(2))

    def configuration(self, program):
        """Lays one down, and returns it as text."""
        self.fresh(program)
        files = {f"{REPOS[program]}/a.repo": f"[a]\nname=a\nenabled=1\nbaseurl=file:///lab/old\n{self.switches(program)}"}
        for path in self.dice.sample(MAIN[program], self.dice.randrange(3)):
            files[path] = "[main]\n" + self.switches(program)
        if program == "dnf5" and self.dice.randrange(3) == 0:
            for path in self.dice.sample(OVERRIDES, self.dice.randrange(1, 3)):
                files[path] = f"[{self.dice.choice(['a', 'a*', '*', 'b'])}]\n{self.switches(program)}"
        for path, text in files.items():
            self.write(path, text)
        return "\n".join(f"# {path}\n{text}" for path, text in files.items())

    def judged(self, check):
        # Where the vendor's files lie is settled when libzypp is built: /usr/etc, and on Debian /usr/share.
        vendor = self.tree / "usr/share/zypp"
        if vendor.exists():
            (self.tree / "usr/etc").mkdir(exist_ok=True)
            vendor.rename(self.tree / "usr/etc/zypp")
        # As the agent knows that there are packages of rpm at all.
        if not any((self.tree / place / "rpmdb.sqlite").exists() for place in ("var/lib/rpm", "usr/lib/sysimage/rpm")):
            self.write("usr/lib/sysimage/rpm/rpmdb.sqlite", "none")
        ran = subprocess.run([self.agent, "check", "--root", self.tree, "--only", check, "--format", "json"], capture_output=True, text=True)
        lines = [json.loads(line) for line in ran.stdout.splitlines()]
        return [line for line in lines if line["kind"] == "finding"] or [{"verdict": "pass"}]

    def signatures(self, program, count):
        taken, wrong = 0, 0
        for _ in range(count):
            text = self.configuration(program)
            ran = self.inside(*INSTALL[program])
            there = ran.returncode == 0
            verdict = self.judged("packages.gpgcheck")[0]["verdict"]
            taken += there
            if verdict != ("fail" if there else "pass"):
                wrong += 1
                print(f"--- {program}: {'taken' if there else 'refused'} there, {verdict} here\n{text}\n{ran.stdout[-400:]}{ran.stderr[-400:]}", flush=True)
        print(f"{program}: {count} configurations, {taken} take what is unsigned, {wrong} differ", flush=True)
        return wrong

    def advisories(self, program):
        wrong = 0
        for packing in ("zstd", "gz", "xz"):
            self.fresh(program)
            self.must("rpm", "--root", "/lab/tree", "--initdb")
            self.must("rpm", "--root", "/lab/tree", "--install", "--nodeps", "/lab/old/noarch/demo-1.0-1.noarch.rpm")
            (self.lab / "updateinfo.xml").write_text(ADVISORY)
            self.must("createrepo_c", "--quiet", f"--compress-type={packing}", f"--general-compress-type={packing}", "/lab/new")
            self.must("modifyrepo_c", "--mdtype=updateinfo", f"--compress-type={packing}", "/lab/updateinfo.xml", "/lab/new/repodata")
            self.write(f"{REPOS[program]}/a.repo", "[a]\nname=a\nenabled=1\nbaseurl=file:///lab/new\ngpgcheck=0\n")
            self.must(*REFRESH[program])
            finding = self.judged("packages.security_pending")[0]
            good = finding["verdict"] == "fail" and finding["observed"]["advisories"] == ["LAB-1"]
            wrong += not good
            print(f"{program}: an advisory packed by {packing} is {'read' if good else finding['message']}", flush=True)
        return wrong


def main():
    agent, root, count = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]), int(sys.argv[3])
    lab = Lab(agent, root, random.Random(int(os.environ.get("AGENT_TEST_SEED", "1"))))
    lab.packages()
    wrong = sum(lab.signatures(program, count) + lab.advisories(program) for program in ("zypper", "dnf5"))
    lab.inside("rm", "-rf", "/lab")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(__doc__)
        sys.exit()
    main()
