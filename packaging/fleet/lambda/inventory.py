"""Writes down which instances should speak: one line each into a log group of its own, once an hour.

A query over that group and the events' names hosts that never spoke, in accounts of any size: a lookup table, which
holds some 150,000 rows, can only add to hosts that did speak. The lookup table is kept beside it, for owners.

Environment: EXPECTED_GROUP, LOOKUP_TABLE ("" for none), TAG ("KEY=VALUE": only instances that carry it; "" for all),
GRACE_S: an instance is expected so many seconds after its launch.
"""
import csv
import io
import json
import os
import time

# PutLogEvents: at most 10,000 events and 1,048,576 bytes, 26 more an event.
EVENTS, BYTES, OVERHEAD = 10_000, 1_048_576, 26
# CreateLookupTable: 10 MB. What has no room is left out of the table, never out of the log group.
TABLE = 10_485_760


def instances(ec2, tag, grace, now):
    """Running instances as dictionaries, in the order that EC2 gives them."""
    filters = [{"Name": "instance-state-name", "Values": ["running"]}]
    if tag:
        key, _, value = tag.partition("=")
        filters.append({"Name": f"tag:{key}", "Values": [value]})
    for page in ec2.get_paginator("describe_instances").paginate(Filters=filters, PaginationConfig={"PageSize": 1000}):
        for instance in (i for reservation in page["Reservations"] for i in reservation["Instances"]):
            if instance["LaunchTime"].timestamp() + grace > now:
                continue
            tags = {tag["Key"]: tag["Value"] for tag in instance.get("Tags", [])}
            yield {"host": instance["InstanceId"], "image": instance.get("ImageId", ""),
                   "owner": tags.get("Owner") or tags.get("Name") or ""}


def lines(found):
    for instance in found:
        device = {"instance_uid": instance["host"], "image": {"uid": instance["image"]}}
        yield json.dumps({"expected": 1, "owner": instance["owner"], "device": device}, separators=(",", ":"))


def batches(texts):
    """Lists of lines that one call takes."""
    batch, size = [], 0
    for text in texts:
        weight = len(text.encode()) + OVERHEAD
        if batch and (len(batch) == EVENTS or size + weight > BYTES):
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += weight
    if batch:
        yield batch


def table(found):
    """The lookup table's text, and how many rows had no room."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["host", "image", "owner"])
    size, left = out.tell(), 0
    for instance in found:
        row = io.StringIO()
        csv.writer(row, lineterminator="\n").writerow([instance["host"], instance["image"], instance["owner"]])
        weight = len(row.getvalue().encode())
        if size + weight > TABLE:
            left += 1
            continue
        size += weight
        out.write(row.getvalue())
    return out.getvalue(), left


def write(logs, group, texts, now):
    stream = time.strftime("%Y-%m-%d-%H-%M-%S", time.gmtime(now))
    try:
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
    except logs.exceptions.ResourceAlreadyExistsException:
        pass
    count = 0
    for batch in batches(texts):
        answer = logs.put_log_events(
            logGroupName=group, logStreamName=stream,
            logEvents=[{"timestamp": int(now * 1000), "message": text} for text in batch])
        if answer.get("rejectedLogEventsInfo"):
            raise RuntimeError(f"CloudWatch Logs refused some: {answer['rejectedLogEventsInfo']}")
        count += len(batch)
    return count


def put_table(logs, name, text):
    """Makes the table, or replaces what is in it."""
    pages = logs.describe_lookup_tables(lookupTableNamePrefix=name)
    there = [t for t in pages.get("lookupTables", []) if t.get("lookupTableName") == name]
    if there:
        logs.update_lookup_table(lookupTableArn=there[0]["lookupTableArn"], tableBody=text)
    else:
        logs.create_lookup_table(lookupTableName=name, tableBody=text)


def handler(_event, _context):
    import boto3
    now = time.time()
    grace = int(os.environ.get("GRACE_S", "900"))
    found = list(instances(boto3.client("ec2"), os.environ.get("TAG", ""), grace, now))
    logs = boto3.client("logs")
    written = write(logs, os.environ["EXPECTED_GROUP"], lines(found), now)
    left = 0
    if os.environ.get("LOOKUP_TABLE"):
        text, left = table(found)
        put_table(logs, os.environ["LOOKUP_TABLE"], text)
    return {"expected": written, "without_room_in_the_table": left}
