"""A virtual machine on EC2, as far as it can tell: the metadata service is at its own address, DMI says Amazon."""

import json
import os
import pathlib
import shlex
import signal
import socket
import subprocess
import sys
import time

INSTANCE = "i-0123456789abcdef0"
SLOW = float(os.environ.get("VM_SLOW", "1"))


class Failed(Exception):
    """What was to be proven does not hold."""


def say(text):
    print(f"vm: {text}", file=sys.stderr, flush=True)


def wait(what, seconds, look):
    """Calls `look` until it returns something true, and returns that."""
    end = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise Failed(f"waited {seconds} s in vain for {what}")
        time.sleep(0.5)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Machine:
    """One image, booted as often as wanted. `work` holds disk.img, vmlinuz, initrd and the key to log in by."""

    def __init__(self, work, kernel=""):
        """`kernel` holds further words for its command line."""
        self.work = pathlib.Path(work)
        self.kernel = kernel
        self.process = None
        self.boots = 0
        self.port = free_port()

    @property
    def serial(self):
        """What the current boot wrote to the serial console."""
        return self.work / f"serial-{self.boots}.log"

    def start(self, network=True):
        """Powers it on. Without a network nothing that it sends arrives anywhere; logging in still works."""
        self.boots += 1
        # Nor does systemd give up on a busy machine what it waits 90 s for.
        patience = f"systemd.default_timeout_start_sec={int(90 * SLOW)}"
        line = f"root=LABEL=root ro console=ttyS0,115200n8 {patience} {self.kernel}".rstrip()
        if not network:
            # Which would ask for its data for minutes.
            line += " cloud-init=disabled"
        command = [
            "qemu-system-x86_64",
            *("-accel", "tcg", "-cpu", "max", "-smp", "2", "-m", "1024", "-nodefaults", "-display", "none"),
            *("-kernel", self.work / "vmlinuz", "-initrd", self.work / "initrd"),
            *("-append", line),
            *("-drive", f"file={self.work / 'disk.img'},if=virtio,format=raw,cache=writeback"),
            # The host's loopback is the metadata service's own address to the guest.
            *(
                "-nic",
                "user,model=virtio-net-pci,ipv6=off,net=169.254.169.0/24,host=169.254.169.254,"
                f"hostfwd=tcp:127.0.0.1:{self.port}-:22,restrict={'off' if network else 'on'}",
            ),
            *("-device", "virtio-rng-pci", "-serial", f"file:{self.serial}", "-no-reboot"),
            *("-smbios", "type=0,vendor=Amazon EC2"),
            *(
                "-smbios",
                "type=1,manufacturer=Amazon EC2,product=t3.micro,"
                "serial=ec2e1916-9099-7caf-fd21-012345abcdef,uuid=ec2e1916-9099-7caf-fd21-012345abcdef",
            ),
            *("-smbios", f"type=2,manufacturer=Amazon EC2,asset={INSTANCE}"),
        ]
        log = open(self.work / f"qemu-{self.boots}.log", "wb")
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.started = time.monotonic()

    def _ssh(self, line):
        return [
            "ssh",
            *("-i", str(self.work / "key"), "-p", str(self.port), "-o", "StrictHostKeyChecking=no"),
            *("-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", f"ConnectTimeout={int(10 * SLOW)}"),
            *("-o", "BatchMode=yes", "debian@127.0.0.1", "sudo bash -c " + shlex.quote(line)),
        ]

    def ssh(self, line, check=True, timeout=120 * SLOW):
        """Runs a line of shell as root; returns its standard output."""
        command = self._ssh(line)
        ran = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout)
        if check and ran.returncode != 0:
            raise Failed(f"{line}: exit status {ran.returncode}\n{ran.stdout}{ran.stderr}")
        return ran.stdout

    def json(self, line):
        """The JSON objects that a line prints, one a line; its exit status may tell of findings."""
        return [json.loads(text) for text in self.ssh(line, check=False, timeout=600 * SLOW).splitlines()]

    def copy(self, file, path):
        """Puts a file into the running machine, owned by root."""
        with open(file, "rb") as content:
            subprocess.run(self._ssh(f"cat > {path}"), stdin=content, check=True, timeout=300)

    def reachable(self):
        if self.process.poll() is not None:
            raise Failed(f"the machine went off by itself; see {self.serial}")
        try:
            return self.ssh("echo yes", check=False, timeout=20 * SLOW)
        except subprocess.TimeoutExpired:
            return False

    def boot(self, seconds=400, network=True):
        """Starts it and waits until cloud-init is done and root can run commands."""
        self.start(network)
        wait("a log-in", seconds, self.reachable)
        self.ssh("cloud-init status --wait >/dev/null", check=False, timeout=seconds)
        say(f"boot {self.boots}: up {time.monotonic() - self.started:.0f} s after power-on")

    def off(self, seconds=180):
        """Shuts down as an operator would."""
        self.ssh("systemctl poweroff", check=False)
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failed("did not shut down") from None

    def pull_the_plug(self):
        """Power is gone from one moment to the next."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def mounted(self, line):
        """Runs a line of shell in the image of a machine that is off."""
        mount = self.work / "mnt"
        mount.mkdir(exist_ok=True)
        subprocess.run(["mount", "-o", "loop", self.work / "disk.img", mount], check=True)
        try:
            subprocess.run(["bash", "-euc", line], check=True, cwd=mount)
        finally:
            subprocess.run(["umount", mount], check=True)

    def close(self):
        if self.process and self.process.poll() is None:
            self.pull_the_plug()


class Service:
    """A server on the host, ended with the test."""

    def __init__(self, name, command, work, env=None):
        self.log = pathlib.Path(work) / f"{name}.log"
        out = open(self.log, "wb")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env={**os.environ, **(env or {})})

    def close(self):
        self.process.terminate()
        self.process.wait()
