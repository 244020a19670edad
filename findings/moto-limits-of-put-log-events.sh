#!/usr/bin/env bash
# One would guess: moto, which checks the order and the age of events as CloudWatch Logs does, checks the other limits of
#   PutLogEvents too.
# True: order and age are all that it holds. A batch that spans 25 hours, one of 2 MiB and one of 10,001 events are
#   accepted and stored; the service refuses each of them. A sink that is tried against moto alone is not tried at its
#   limits.
# Seen with moto 5.2.5 and boto3 1.44.8; limits: API reference of CloudWatch Logs, PutLogEvents.
set -euo pipefail
case " $* " in *" --help "* | *" -h "*)
  awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"
  exit
  ;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'moto[logs]==5.2.5' 'boto3==1.44.8'
"$work/venv/bin/python" - <<'P'
import sys, time
import boto3, moto
from botocore.exceptions import ClientError

print("moto", moto.__version__, "boto3", boto3.__version__)
HOUR = 3_600_000
now = int(time.time() * 1000)
expected = {
    "out of order": ("InvalidParameterException", 0),
    "25 hours": ("accepted", 2),
    "2 MiB": ("accepted", 11),
    "10,001 events": ("accepted", 10_001),
    "15 days old": ("accepted, tooOldLogEventEndIndex", 0),
    "3 hours ahead": ("accepted, tooNewLogEventStartIndex", 0),
}
batches = {
    "out of order": [(now, "b"), (now - 1000, "a")],
    "25 hours": [(now - 25 * HOUR, "a"), (now, "b")],
    "2 MiB": [(now, "x" * 200_000)] * 11,
    "10,001 events": [(now, "x")] * 10_001,
    "15 days old": [(now - 15 * 24 * HOUR, "a")],
    "3 hours ahead": [(now + 3 * HOUR, "a")],
}
found = {}
with moto.mock_aws():
    logs = boto3.client("logs", region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b")
    logs.create_log_group(logGroupName="group")
    for number, (name, batch) in enumerate(batches.items()):
        stream = {"logGroupName": "group", "logStreamName": str(number)}
        logs.create_log_stream(**stream)
        events = [{"timestamp": time, "message": text} for time, text in batch]
        try:
            answer = logs.put_log_events(**stream, logEvents=events)
            said = ", ".join(["accepted", *answer.get("rejectedLogEventsInfo", {})])
        except ClientError as error:
            said = error.response["Error"]["Code"]
        stored, token = 0, {}
        while True:
            page = logs.get_log_events(**stream, startFromHead=True, **token)
            if not page["events"]:
                break
            stored += len(page["events"])
            token = {"nextToken": page["nextForwardToken"]}
        found[name] = (said, stored)
        print(f"{name:14} {said}; {stored} of {len(batch)} in the stream")
sys.exit(found != expected)
P
