#!/usr/bin/env python3
"""How often the agent cannot tell, over configurations that Debian's packages ship: tests/long unknown calls this.

Each package named in tests/data/shipped.txt is unpacked over the tree of Debian 12 as its cloud image has it
(tests/data/distributions), and every check of settings is judged. Told is the share of verdicts that are `unknown` and
were not so before the package was there. What is downloaded stays in target/long/packages.
"""

import collections
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

AREAS = ("sshd", "accounts", "console", "credentials", "network", "kernel", "logging", "packages")
ROOT = pathlib.Path(__file__).resolve().parent.parent
# At most so many percent, as the design asks for.
MOST = 2.0


def tree(place):
    """The tree of Debian 12, as tests/settings/distributions.rs makes it."""
    data = ROOT / "tests/data/distributions"
    keys = place / "keys"
    keys.mkdir()
    for who in ("known", "stranger"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", keys / who], check=True)
    image = place / "lab" / "image"
    image.mkdir(parents=True)
    names = ("words", "lists", "red-hat", "debian", "ubuntu", "debian-12", "stock")
    head = f"machine={'0123456789abcdef' * 2} instance=i-0123456789abcdef0 keys={keys} hash='x'\n"
    script = head + "\n".join((data / f"{name}.sh").read_text() for name in names)
    subprocess.run(["bash", "-eu", "-c", script], check=True, cwd=image)
    stanza = "Package: {}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {}\n\n"
    packages = [line.split() for line in (image.parent / "packages").read_text().splitlines()]
    (image / "var/lib/dpkg").mkdir(parents=True)
    (image / "var/lib/dpkg/status").write_text("".join(stanza.format(*package) for package in packages))
    return image


def judged(agent, image):
    only = [word for area in AREAS for word in ("--only", f"{area}.*")]
    command = [agent, "check", "--root", image, "--profile", "debian-12", "--format", "json", *only]
    ran = subprocess.run(command, capture_output=True, text=True)
    if ran.returncode not in (0, 1, 3):
        raise SystemExit(f"unknown: {ran.stderr}")
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    return {(line["check"], line["subject"]): line for line in lines if line["kind"] == "finding"}


def main():
    agent = pathlib.Path(sys.argv[1]).resolve()
    store = ROOT / "target/long/packages"
    store.mkdir(parents=True, exist_ok=True)
    names = sys.argv[2:] or (ROOT / "tests/data/shipped.txt").read_text().split()
    verdicts, unknown, left_out = 0, [], []
    with tempfile.TemporaryDirectory() as temporary:
        image = tree(pathlib.Path(temporary))
        before = judged(agent, image)
        for name in names:
            found = list(store.glob(f"{name}_*.deb"))
            if not found:
                subprocess.run(["apt-get", "download", "-q", name], cwd=store, capture_output=True)
                found = list(store.glob(f"{name}_*.deb"))
            if not found:
                left_out.append(name)
                continue
            with tempfile.TemporaryDirectory() as copy:
                place = pathlib.Path(copy) / "image"
                shutil.copytree(image, place, symlinks=True)
                # Through the links of a merged /usr, as dpkg unpacks.
                line = 'dpkg-deb --fsys-tarfile "$1" | tar -x --keep-directory-symlink -C "$2"'
                subprocess.run(["bash", "-euo", "pipefail", "-c", line, "sh", found[0], place], check=True)
                after = judged(agent, place)
            verdicts += len(after)
            for key, line in after.items():
                if line["verdict"] == "unknown" and before.get(key, {}).get("verdict") != "unknown":
                    unknown.append((name, *key, line["message"]))
    share = 100 * len(unknown) / max(verdicts, 1)
    for line in unknown:
        print("  ".join(line))
    checks = collections.Counter(check for _, check, _, _ in unknown)
    print(f"unknown: {len(names) - len(left_out)} packages, {verdicts} verdicts, {len(unknown)} unknown: {share:.2f} percent, {dict(checks)}")
    if left_out:
        print(f"unknown: left out, not to be had: {' '.join(left_out)}")
    if not verdicts or share > MOST:
        raise SystemExit(1)


if __name__ == "__main__":
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(__doc__)
        sys.exit()
    main()
