#!/usr/bin/env python3
"""Whether the commands that people are told to type are ones that the AWS command line takes: its options are the members
of a call's input in botocore's model, and its own commands deploy templates that are there with parameters that they have."""
import re
import shlex
import sys

import botocore.session

from templates import FLEET, load

PROJECT = FLEET.parents[1]
TEXTS = [FLEET / "README.md", FLEET / "watermark.sh", PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
# Of every command (`aws help`).
GLOBAL = {"query", "output", "region", "profile", "max-items"}
# The command line's own, which no model describes (`aws s3 cp help`, `aws logs tail help`), with the options used of them.
OWN = {("s3", "cp"): set(), ("logs", "tail"): {"since", "format", "follow"}}
SESSION = botocore.session.get_session()


def commands(text):
    """Words of each command, as a shell takes them apart; `…` ends one that is only spoken of."""
    text = text.replace("\\\n", " ")
    for found in re.finditer(r"(?<![\w./-])aws ([a-z0-9]+ [a-z0-9-]+[^\n`]*)", text):
        line = re.sub(r'\$\(([^()]*)\)', lambda m: "$(" + m[1].replace(" ", "_") + ")", found[1])
        try:
            words = shlex.split(line, comments=True)
        except ValueError:
            words = shlex.split(line.split("; ")[0].split(" --query")[0], comments=True)
        ends = [at for at, word in enumerate(words) if word[0] in ">;|&…"]
        words = words[:min(ends, default=len(words))]
        if len(words) > 2:
            yield [word.rstrip(";)") if at < 2 else word for at, word in enumerate(words)]


def options(words):
    return {word[2:] for word in words if word.startswith("--")}


def deploys(words):
    """What is wrong with `aws cloudformation deploy`."""
    path = FLEET / words[words.index("--template-file") + 1]
    if not path.is_file():
        yield f"there is no {path.name}"
        return
    known = load(path).get("Parameters", {})
    given = set()
    if "--parameter-overrides" in words:
        rest = words[words.index("--parameter-overrides") + 1:]
        given = {word.split("=")[0] for word in rest if "=" in word}
    yield from (f"{path.name} has no parameter {name}" for name in given - set(known))
    wanted = {name for name, one in known.items() if "Default" not in one}
    yield from (f"{path.name} wants {name}" for name in wanted - given)
    names = any(resource["Type"] == "AWS::IAM::Role" and "RoleName" in resource["Properties"]
                for resource in load(path)["Resources"].values())
    roles = any(resource["Type"].startswith("AWS::IAM::") for resource in load(path)["Resources"].values())
    if roles and "--capabilities" not in words or names and "CAPABILITY_NAMED_IAM" not in words:
        yield f"{path.name} makes roles, which somebody has to acknowledge"


def faults(words):
    service, operation = words[:2]
    if (service, operation) in OWN:
        yield from (f"{operation} has no --{name}" for name in options(words) - OWN[service, operation] - GLOBAL)
        return
    if (service, operation) == ("cloudformation", "deploy"):
        yield from deploys(words)
        return
    try:
        model = SESSION.get_service_model(service)
    except Exception:  # Of several kinds, by what is missing.
        yield f"there is no service {service}"
        return
    names = {botocore.xform_name(name, "-"): name for name in model.operation_names}
    if operation not in names:
        yield f"{service} has no {operation}"
        return
    shape = model.operation_model(names[operation]).input_shape
    members = {botocore.xform_name(name, "-"): name for name in shape.members}
    yield from (f"{operation} has no --{name}" for name in options(words) - set(members) - GLOBAL)
    missing = {name for name, member in members.items() if member in shape.required_members} - options(words)
    yield from (f"{operation} wants --{name}" for name in missing)


def outputs(text):
    """Outputs of stacks that later commands ask for: the stack was deployed before, and has them."""
    deployed = {}
    for line in text.splitlines():
        for stack, name in re.findall(r"\$\(out (\w+) (\w+)\)", line):
            if stack not in deployed:
                yield f"{name} of host-integrity-{stack} is asked for before that is deployed"
            elif name not in load(FLEET / deployed[stack])["Outputs"]:
                yield f"{deployed[stack]} has no output {name}"
        if found := re.search(r"--stack-name host-integrity-(\w+) --template-file (\S+)", line):
            deployed[found[1]] = found[2]
    if len(deployed) < 5:
        yield f"only {sorted(deployed)} are deployed"


def main():
    wrong, seen = [], 0
    for path in TEXTS:
        text = path.read_text()
        for words in commands(text):
            if not options(words) and tuple(words[:2]) not in OWN:
                continue
            seen += 1
            wrong += [f"{path.name}: {' '.join(words[:2])}: {fault}" for fault in faults(words)]
    wrong += outputs((FLEET / "README.md").read_text())
    # What it is told about must be seen.
    for bad in ("logs put-log-event --x", "iam attach-role-policy --role-name x", "logs create-lookup-table --table-name x",
                "cloudformation deploy --template-file alarms.yaml --stack-name x"):
        assert list(faults(bad.split())), bad
    assert len(list(outputs("$(out log KeyArn)"))) == 2
    print("\n".join(wrong) or f"{seen} commands are as the AWS command line takes them")
    sys.exit(1 if wrong or seen < 12 else 0)


if __name__ == "__main__":
    main()
