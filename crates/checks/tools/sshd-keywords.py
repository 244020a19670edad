#!/usr/bin/env python3
"""Writes crates/checks/src/settings/sshd/table.rs from the release tags of openssh-portable.

    git clone --bare https://github.com/openssh/openssh-portable
    crates/checks/tools/sshd-keywords.py openssh-portable > crates/checks/src/settings/sshd/table.rs

What a version knows is the table `keywords[]` of its servconf.c, from 10.4 on the macros of its servconf.h. What is
not tagged there yet stands in LATER, read off a distribution's program.
"""
import re
import subprocess
import sys

# OpenSSH 10.6p1 as Debian ships it: its tag was not published with the mirror. Name, and whether a Match block takes it.
LATER = {(10, 6): {"AgentSocketPath": True, "WarnWeakCrypto": False}}
OLDEST = (7, 4)
MACRO = re.compile(
    r"^SSHCONF_(INT|INTFLAG|STRING|STRARRAY|CUSTOM|DEPRECATE|UNSUPPORTED_INT|UNSUPPORTED_STRING|ALIAS)\((.*?)\)", re.M
)
ROW = re.compile(r'\{\s*"([a-z0-9]+)",\s*(s\w+),\s*(SSHCFG_\w+)\s*\}')


def git(repository, *arguments):
    return subprocess.run(
        ["git", "-C", repository, *arguments], check=True, capture_output=True, text=True
    ).stdout


def tags(repository):
    """Version to tag, of several releases of a version the last."""
    found = {}
    for tag in git(repository, "tag").split():
        match = re.fullmatch(r"V_(\d+)_(\d+)_P(\d+)", tag)
        if match:
            major, minor, patch = map(int, match.groups())
            if (major, minor) >= OLDEST:
                found[major, minor] = max(found.get((major, minor), (0, "")), (patch, tag))
    return {version: tag for version, (_, tag) in sorted(found.items())}


def keywords(repository, tag):
    """Keyword in its own spelling to whether it may stand in a Match block."""
    source = git(repository, "show", f"{tag}:servconf.c")
    table = re.search(r"keywords\[\] = \{(.*?)\n\};", source, re.S).group(1)
    found = {name: flags == "SSHCFG_ALL" for name, _, flags in ROW.findall(table)}
    for kind, inner in MACRO.findall(git(repository, "show", f"{tag}:servconf.h")):
        words = [word.strip() for word in inner.split(",")]
        at = {"STRARRAY": 2, "CUSTOM": 0, "DEPRECATE": 0, "ALIAS": 0}.get(kind, 1)
        found[words[at]] = "SSHCFG_ALL" in words
    return found


def main(repository):
    versions = {version: keywords(repository, tag) for version, tag in tags(repository).items()}
    for version, more in LATER.items():
        if version not in versions:
            versions[version] = {**versions[max(versions)], **more}
    newest = max(versions)
    spelling = {name.lower(): name for name in versions[newest]}
    lower = {version: {k.lower(): v for k, v in known.items()} for version, known in versions.items()}
    words = sorted({word for known in lower.values() for word in known})
    # 10.4 alone spelled the GSSAPI keywords as its own variables; what distributions ship of it does not.
    words = [word for word in words if [v for v, known in lower.items() if word in known] != [(10, 4)]]
    rows = {"SINCE": [], "LAST": [], "IN_MATCH_SINCE": []}
    for word in words:
        having = [version for version, known in lower.items() if word in known]
        if having[0] > OLDEST:
            rows["SINCE"].append((word, having[0]))
        if having[-1] < newest:
            rows["LAST"].append((word, having[-1]))
        inside = [version for version in having if lower[version][word]]
        if inside and inside[0] > having[0]:
            rows["IN_MATCH_SINCE"].append((word, inside[0]))
    print("//! Made by crates/checks/tools/sshd-keywords.py from the release tags of openssh-portable; not edited by hand.\n")
    print("use super::history::Number;\n")
    print("/// The newest version that the table knows.\npub(super) const NEWEST: Number = (%d, %d);\n" % newest)
    documents = {
        "SINCE": "Keywords and the version that brought them; what is missing here is older than 7.4.",
        "LAST": "Keywords that went, and the last version that knew them.",
        "IN_MATCH_SINCE": "Keywords that a Match block takes since a later version than the one that brought them.",
    }
    for name, document in documents.items():
        print(f"/// {document}")
        print(f"pub(super) static {name}: [(&str, Number); {len(rows[name])}] = [")
        for word, (major, minor) in rows[name]:
            print(f'    ("{word}", ({major}, {minor})),')
        print("];\n")
    print("/// As `sshd -T` of 10.4 and later spells each keyword.")
    print(f"pub(super) static SPELLED: [(&str, &str); {len(spelling)}] = [")
    for word, spelled in sorted(spelling.items()):
        print(f'    ("{word}", "{spelled}"),')
    print("];")


if __name__ == "__main__":
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(__doc__.strip())
    else:
        main(sys.argv[1])
