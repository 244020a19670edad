#!/usr/bin/env python3
"""Whether messages of this host leave it, by rsyslogd itself and by the agent: tests/long rsyslog ROOT calls this.

Configurations from a grammar are started in a root that has rsyslogd, in a network of its own with a listener. Messages of
every facility and severity are logged; what arrives at the listener has left the host. The agent judges the same file.
"""

import json
import os
import pathlib
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time

ELSEWHERE = "192.0.2.1"
SELECTORS = ["*.*", "*.*", "*.info", "auth.*", "*.none", "*.*;auth.none", "mail.=err", "local7.*", "*.*;*.none",
             "kern.!*", "auth,authpriv.*", "*.!=debug", "*.=info;mail.none", "user.err;user.!=crit"]
FILTERS = [':programname, isequal, "prog"', ':programname, !isequal, "prog"', ':msg, contains, "-3-"',
           ':fromhost-ip, isequal, "127.0.0.1"', ':fromhost-ip, !isequal, "127.0.0.1"',
           ':fromhost-ip, startswith, "192.168."']
CONDITIONS = ['if $msg contains "-3-" then', 'if $fromhost-ip == "127.0.0.1" then', "if $fromhost-ip != '127.0.0.1' then",
              'if prifilt("*.none") then', 'if prifilt("auth.*") then', "if 0 then", "if 1 then",
              'if ($fromhost-ip startswith "10.") then']
ACTIONS = [f"@{ELSEWHERE}", f"@@{ELSEWHERE}:514", f"@{ELSEWHERE}:514;RSYSLOG_ForwardFormat", "/run/x", "-/run/x", "stop", "~",
           f'action(type="omfwd" target="{ELSEWHERE}" port="514" protocol="udp")',
           f'action(type="omfwd" Target="{ELSEWHERE}" Port="514" Protocol="tcp")',
           'action(type="omfile" file="/run/y")', "call r1", "call r2", "@127.0.0.1:515",
           f'action(type="omfwd" target="{ELSEWHERE}" port="514" protocol="udp" action.execOnlyWhenPreviousIsSuspended="on")',
           f'action(type="omfwd" target="{ELSEWHERE}" port="514" protocol="udp" config.enabled="off")', f":omrelp:{ELSEWHERE}:514"]


def body(dice, deep):
    kind = dice.randrange(8)
    if kind == 0 and deep:
        inner = "\n".join("  " + statement(dice, False) for _ in range(dice.randrange(1, 4)))
        return "{\n" + inner + "\n}"
    action = dice.choice(ACTIONS)
    if kind == 1:
        action += "\n& " + dice.choice(ACTIONS)
    return action


def statement(dice, deep=True):
    kind = dice.randrange(12)
    if kind < 5:
        return f"{dice.choice(SELECTORS)} {body(dice, deep)}"
    if kind == 5:
        return f"{dice.choice(SELECTORS)}@{ELSEWHERE}"
    if kind < 8:
        text = f"{dice.choice(CONDITIONS)} {body(dice, deep)}"
        return text + (f" else {body(dice, False)}" if dice.randrange(3) == 0 and "\n" not in text else "")
    if kind == 8:
        return f"{dice.choice(FILTERS)} {body(dice, False)}"
    if kind == 9:
        return dice.choice(["# *.* @192.0.2.1", "/* *.* @192.0.2.1 */", "  # stop"])
    return dice.choice(ACTIONS)


def configuration(dice):
    parts = []
    for name in ("r1", "r2"):
        queue = dice.choice(["", "", ' queue.type="LinkedList"'])
        inner = "\n".join("  " + statement(dice).replace("call r1", "stop").replace("call r2", "stop") for _ in range(dice.randrange(1, 3)))
        parts.append(f'ruleset(name="{name}"{queue}) {{\n{inner}\n}}')
    for _ in range(dice.randrange(1, 5)):
        parts.append(statement(dice))
    if dice.randrange(5) == 0:
        parts.insert(2 + dice.randrange(len(parts) - 1), "$ActionExecOnlyWhenPreviousIsSuspended on\n*.* @192.0.2.1\n$ActionExecOnlyWhenPreviousIsSuspended off")
    if dice.randrange(6) == 0:
        parts.append('include(text="' + dice.choice(["*.* @192.0.2.1", "*.none @192.0.2.1", "stop"]) + '")')
    return "\n".join(parts) + "\n"


HEAD = """global(workDirectory="/run")
module(load="imuxsock" SysSock.Use="off")
module(load="omrelp")
input(type="imuxsock" Socket="/run/t.sock" RateLimit.Interval="0")
"""


class Listener:
    """What comes to the other host."""

    def __init__(self):
        self.got = threading.Event()
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind((ELSEWHERE, 514))
        self.tcp = socket.create_server((ELSEWHERE, 514))
        threading.Thread(target=self.datagrams, daemon=True).start()
        threading.Thread(target=self.streams, daemon=True).start()

    def datagrams(self):
        while True:
            self.udp.recv(65536)
            self.got.set()

    def streams(self):
        while True:
            connection, _ = self.tcp.accept()
            threading.Thread(target=self.stream, args=(connection,), daemon=True).start()

    def stream(self, connection):
        try:
            if connection.recv(1):
                self.got.set()
        except OSError:
            pass


def sends(root, text, listener):
    """Whether rsyslogd sends anything; None where it does not take the file."""
    run = root / "run"
    for name in ("t.sock", "mark", "pid"):
        (run / name).unlink(missing_ok=True)
    mark = 'action(type="omfile" file="/run/mark" template="RSYSLOG_FileFormat")\n'
    (root / "etc/rsyslog.conf").write_text(HEAD + mark + text)
    checked = subprocess.run(["chroot", root, "rsyslogd", "-N1", "-f", "/etc/rsyslog.conf"], capture_output=True, text=True)
    if checked.returncode != 0:
        return None
    listener.got.clear()
    daemon = subprocess.Popen(["chroot", root, "rsyslogd", "-n", "-i", "/run/pid", "-f", "/etc/rsyslog.conf"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.time() + 30
        while not (run / "t.sock").exists() and time.time() < end:
            time.sleep(0.02)
        out = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        out.connect(str(run / "t.sock"))
        for facility in range(24):
            for severity in range(8):
                out.send(f"<{facility * 8 + severity}>prog: m-{facility}-{severity}".encode())
        out.send(b"<191>last: last")
        while time.time() < end and not ((run / "mark").exists() and "last" in (run / "mark").read_text(errors="replace")):
            time.sleep(0.02)
        listener.got.wait(0.7)
    finally:
        daemon.kill()
        daemon.wait()
    return listener.got.is_set()


def judged(agent, place, text):
    (place / "etc/rsyslog.conf").write_text(HEAD + text)
    ran = subprocess.run([agent, "check", "--root", place, "--profile", place.parent / "p.toml", "--only", "logging.agent_present",
                          "--format", "json"], capture_output=True, text=True)
    finding = json.loads(ran.stdout.splitlines()[0])
    return finding["verdict"]


def main():
    agent, root, count = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]), int(sys.argv[3])
    if os.environ.get("AGENT_TEST_APART") is None:
        line = f"ip link set lo up; ip addr add {ELSEWHERE}/32 dev lo; exec \"$@\""
        os.environ["AGENT_TEST_APART"] = "1"
        os.execvp("unshare", ["unshare", "--net", "--mount", "sh", "-ec", line, "sh", sys.executable, *sys.argv])
    dice, listener = random.Random(int(os.environ.get("AGENT_TEST_SEED", "1"))), Listener()
    wrong, refused, unknown, sent = 0, 0, 0, 0
    with tempfile.TemporaryDirectory() as temporary:
        place = pathlib.Path(temporary) / "root"
        for directory in ("etc/systemd/system/multi-user.target.wants", "usr/lib/systemd/system"):
            (place / directory).mkdir(parents=True)
        (place / "usr/lib/systemd/system/rsyslog.service").write_text("[Service]\nExecStart=/usr/sbin/rsyslogd -n\n")
        (place / "etc/systemd/system/multi-user.target.wants/rsyslog.service").symlink_to("/usr/lib/systemd/system/rsyslog.service")
        (place.parent / "p.toml").write_text('name="lab"\n[[paths]]\npath="/etc"\nseverity="low"\n[settings."logging.agent_present"]\ndemand="remote"\n')
        subprocess.run(["mount", "-t", "tmpfs", "none", root / "run"], check=True)
        for _ in range(count):
            text = configuration(dice)
            there = sends(root, text, listener)
            here = judged(agent, place, text)
            refused += there is None
            unknown += here == "unknown"
            sent += bool(there)
            if there is not None and here != ("pass" if there else "fail"):
                wrong += 1
                print(f"--- {'sent' if there else 'kept'} there, {here} here\n{text}", flush=True)
    print(f"rsyslog: {count} configurations, {sent} send, {refused} refused by rsyslogd, {unknown} unknown, {wrong} differ")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(__doc__)
        sys.exit()
    main()
