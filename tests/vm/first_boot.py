#!/usr/bin/env python3
"""Boots an image for the first time, as on EC2, and proves that nothing but the first boot's record differs."""

import argparse
import collections
import os
import pathlib

from machine import INSTANCE, Failed, Machine, Service, say

SLOW = float(os.environ.get("VM_SLOW", "1"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", required=True, type=pathlib.Path)
    parser.add_argument("--profile", required=True)
    arguments = parser.parse_args()
    work = arguments.work
    environment = {"IMDS_INSTANCE_ID": INSTANCE, "IMDS_REGION": "eu-central-1", "IMDS_USER_DATA": str(work / "user-data")}
    imds = Service("imds", ["target/debug/examples/imds_server", "127.0.0.1:80", "required", ""], work, environment)
    machine = Machine(work)
    try:
        machine.boot(500 * SLOW)
        say(machine.ssh("agent baseline launch", timeout=600 * SLOW).strip())
        lines = machine.json("agent check --only 'files.*' --format json --no-progress")
        summary = [line for line in lines if line["kind"] == "summary"][0]
        if summary["profile"] != arguments.profile:
            raise Failed(f"the profile is {summary['profile']}, not {arguments.profile}")
        found = [f"{line['verdict']} {line['check']} {line['subject']} {line['changed']}" for line in lines if line["kind"] == "finding"]
        if found:
            kinds = collections.Counter(line.rsplit("/", 1)[0] for line in found)
            raise Failed("after an untouched first boot:\n" + "\n".join(found[:60]) + f"\n{kinds.most_common(20)}")
        say(f"holds: an untouched first boot leaves no finding, {summary['files']['checked']} files, {summary['launch']['files']} on record")
        machine.off()
    finally:
        machine.close()
        imds.close()


if __name__ == "__main__":
    main()
