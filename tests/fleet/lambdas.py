#!/usr/bin/env python3
"""The Lambdas of packaging/fleet on events that a real agent made. botocore's stubs hold every call against the model of
the service: names, types, required keys and bounds; no service is asked."""
import base64
import copy
import datetime
import gzip
import json
import pathlib
import sys
import unittest

import boto3
from botocore.stub import ANY, Stubber

FLEET = pathlib.Path(__file__).resolve().parents[2] / "packaging/fleet"
sys.path.insert(0, str(FLEET / "lambda"))
import hand_over  # noqa: E402
import inventory  # noqa: E402

EVENTS = pathlib.Path(sys.argv.pop(1))
PRODUCT = "arn:aws:securityhub:eu-central-1:123456789012:product/123456789012/default"
KEYS = {"region_name": "eu-central-1", "aws_access_key_id": "a", "aws_secret_access_key": "b"}


def real(name="one"):
    """Events of the file, as the agent wrote them but for the id of an instance, which the host of the test has not."""
    events = [json.loads(line) for line in (EVENTS / f"{name}.jsonl").read_bytes().splitlines()]
    for event in events:
        event["device"]["instance_uid"] = "i-0123456789abcdef0"
        event["cloud"] = {"provider": "AWS", "region": "eu-central-1", "account": {"uid": "123456789012"}}
    return events


def findings():
    return [event for event in real() if event["category_uid"] == 2]


def call(messages, kind="DATA_MESSAGE"):
    """What CloudWatch Logs calls a Lambda with."""
    entries = [{"id": str(n), "timestamp": 1, "message": message} for n, message in enumerate(messages)]
    content = {"messageType": kind, "owner": "123456789012", "logGroup": "/host-integrity-agent",
               "logStream": "i-0123456789abcdef0", "subscriptionFilters": ["f"], "logEvents": entries}
    return {"awslogs": {"data": base64.b64encode(gzip.compress(json.dumps(content).encode())).decode()}}


class HandOver(unittest.TestCase):
    def test_messages_come_out_byte_for_byte(self):
        messages = (EVENTS / "one.jsonl").read_text().splitlines()
        self.assertEqual(hand_over.decode(call(messages)), messages)
        self.assertEqual(hand_over.decode(call(["CWL CONTROL MESSAGE"], "CONTROL_MESSAGE")), [])

    def test_what_is_no_finding_of_an_instance_is_left_out_and_said_so(self):
        good = json.dumps(findings()[0])
        elsewhere = copy.deepcopy(findings()[0])
        elsewhere["device"]["instance_uid"] = "mi-elsewhere"
        beat = next(e for e in real() if e["category_uid"] == 6)
        for bad in ("", "{", "[]", "null", "5", '{"device":5}', json.dumps(elsewhere), json.dumps(beat),
                    good.replace("host-integrity-agent", "other")):
            with self.assertRaises(hand_over.Malformed, msg=bad):
                hand_over.parse(bad)
        self.assertEqual(hand_over.parse(good)["device"]["instance_uid"], "i-0123456789abcdef0")

    def test_compliance_items_are_as_ssm_takes_them(self):
        ssm = boto3.client("ssm", **KEYS)
        last = hand_over.newest(findings())
        with Stubber(ssm) as stub:
            stub.add_response("put_compliance_items", {}, {
                "ResourceId": "i-0123456789abcdef0", "ResourceType": "ManagedInstance",
                "ComplianceType": "Custom:HostIntegrity", "ExecutionSummary": ANY, "Items": ANY, "UploadType": "PARTIAL"})
            hand_over.put_items(ssm, last)
            stub.assert_no_pending_responses()
        items = [hand_over.item(finding) for finding in last]
        self.assertEqual(len({item["Id"] for item in items}), len(items), "an id each")
        self.assertIn("NON_COMPLIANT", {item["Status"] for item in items})
        ended = {**last[0], "activity_id": 3}
        self.assertEqual(hand_over.item(ended)["Status"], "COMPLIANT")

    def test_the_last_word_on_a_finding_counts(self):
        raised = findings()[0]
        closed = {**raised, "activity_id": 3, "time": raised["time"] + 5}
        for order in ([raised, closed], [closed, raised]):
            self.assertEqual([f["activity_id"] for f in hand_over.newest(order)], [3])

    def test_findings_are_as_security_hub_takes_them(self):
        hub = boto3.client("securityhub", **KEYS)
        many = [{**f, "finding_info": {**f["finding_info"], "uid": f"{n}-{f['finding_info']['uid']}"}}
                for n in range(60) for f in hand_over.newest(findings())]
        with Stubber(hub) as stub:
            for _ in range(-(-len(many) // 100)):
                stub.add_response("batch_import_findings", {"FailedCount": 0, "SuccessCount": 1}, {"Findings": ANY})
            hand_over.import_findings(hub, many, PRODUCT, "1", "r")
            stub.assert_no_pending_responses()
        for finding in many:
            result = hand_over.asff(finding, PRODUCT, "1", "r")
            self.assertLess(len(json.dumps(result)), 240_000)
            self.assertLessEqual(len(result["Title"]), 256)
            self.assertTrue(1 <= len(result["Description"]) <= 1024)
            self.assertEqual(result["Resources"][0]["Id"],
                             "arn:aws:ec2:eu-central-1:123456789012:instance/i-0123456789abcdef0")
            self.assertRegex(result["UpdatedAt"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")

    def test_what_security_hub_refuses_is_no_success(self):
        hub = boto3.client("securityhub", **KEYS)
        refused = {"FailedCount": 1, "SuccessCount": 0,
                   "FailedFindings": [{"Id": "x", "ErrorCode": "InvalidInput", "ErrorMessage": "no"}]}
        with Stubber(hub) as stub:
            stub.add_response("batch_import_findings", refused, {"Findings": ANY})
            with self.assertRaisesRegex(RuntimeError, "refused 1: no"):
                hand_over.import_findings(hub, findings()[:1], PRODUCT, "1", "r")

    def test_long_texts_are_cut_where_the_services_cut_off(self):
        long = copy.deepcopy(findings()[0])
        long["unmapped"]["subject"] = long["message"] = "/é" * 5000
        self.assertLessEqual(len(hand_over.item(long)["Title"]), 500)
        self.assertLessEqual(max(map(len, hand_over.item(long)["Details"].values())), 4096)
        self.assertEqual(len(hand_over.asff(long, PRODUCT, "1", "r")["Title"]), 256)


class Inventory(unittest.TestCase):
    def setUp(self):
        self.launched = datetime.datetime(2026, 11, 29, tzinfo=datetime.timezone.utc)
        self.now = self.launched.timestamp() + 3600

    def answer(self, *ids, age=0):
        young = self.launched + datetime.timedelta(seconds=age)
        return {"Reservations": [{"Instances": [
            {"InstanceId": name, "ImageId": "ami-1", "LaunchTime": young,
             "Tags": [{"Key": "Name", "Value": "web, \"blue\""}]} for name in ids]}]}

    def test_running_instances_are_written_down_once_they_had_time_to_speak(self):
        ec2, logs = boto3.client("ec2", **KEYS), boto3.client("logs", **KEYS)
        with Stubber(ec2) as stub:
            stub.add_response("describe_instances", {**self.answer("i-1", "i-2"), "NextToken": "more"})
            stub.add_response("describe_instances", self.answer("i-3", age=3000))
            found = list(inventory.instances(ec2, "Fleet=yes", 900, self.now))
        self.assertEqual([i["host"] for i in found], ["i-1", "i-2"])
        with Stubber(logs) as stub:
            stub.add_response("create_log_stream", {}, {"logGroupName": "g", "logStreamName": ANY})
            stub.add_response("put_log_events", {}, {"logGroupName": "g", "logStreamName": ANY, "logEvents": ANY})
            self.assertEqual(inventory.write(logs, "g", inventory.lines(found), self.now), 2)
        line = json.loads(next(inventory.lines(found)))
        self.assertEqual(line, {"expected": 1, "owner": "web, \"blue\"",
                                "device": {"instance_uid": "i-1", "image": {"uid": "ami-1"}}})

    def test_calls_stay_within_the_service_s_bounds_and_lose_nothing(self):
        for length, count in ((20, 25_000), (900_000, 3), (1, 10_001)):
            batches = list(inventory.batches("x" * length for _ in range(count)))
            self.assertEqual(sum(map(len, batches)), count)
            for batch in batches:
                self.assertLessEqual(len(batch), 10_000)
                self.assertLessEqual(sum(len(text) + 26 for text in batch), 1_048_576)

    def test_a_table_that_is_full_counts_what_has_no_room(self):
        many = [{"host": f"i-{n:017x}", "image": "ami-0123456789abcdef0", "owner": "o" * 40} for n in range(150_000)]
        text, left = inventory.table(many)
        self.assertLessEqual(len(text.encode()), 10_485_760)
        self.assertEqual(text.count("\n") - 1 + left, len(many))
        self.assertGreater(left, 0)

    def test_the_table_is_made_or_replaced(self):
        logs = boto3.client("logs", **KEYS)
        arn = "arn:aws:logs:eu-central-1:123456789012:lookup-table:t"
        for there, verb, expected in (
                ([], "create_lookup_table", {"lookupTableName": "t", "tableBody": "host\n"}),
                ([{"lookupTableName": "t", "lookupTableArn": arn}], "update_lookup_table",
                 {"lookupTableArn": arn, "tableBody": "host\n"})):
            with Stubber(logs) as stub:
                stub.add_response("describe_lookup_tables", {"lookupTables": there}, {"lookupTableNamePrefix": "t"})
                stub.add_response(verb, {}, expected)
                inventory.put_table(logs, "t", "host\n")
                stub.assert_no_pending_responses()


if __name__ == "__main__":
    unittest.main()
