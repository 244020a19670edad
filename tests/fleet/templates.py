#!/usr/bin/env python3
"""Whether the stacks of packaging/fleet are clean under cfn-lint, and what no schema holds is as the services take it."""
import json
import pathlib
import re
import subprocess
import sys

import botocore.session
import botocore.validate
import yaml

FLEET = pathlib.Path(__file__).resolve().parents[2] / "packaging/fleet"
STACKS = sorted(FLEET.glob("*.yaml"))


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms, each as an object of one key."""


def short(loader, suffix, node):
    kinds = {yaml.ScalarNode: loader.construct_scalar, yaml.SequenceNode: loader.construct_sequence}
    value = kinds[type(node)](node) if type(node) in kinds else loader.construct_mapping(node)
    return {suffix: value}


Loader.add_multi_constructor("!", short)


def load(path):
    return yaml.load(path.read_text(), Loader)  # noqa: S506: a safe loader with one constructor more


def lint():
    ran = subprocess.run([str(pathlib.Path(sys.executable).parent / "cfn-lint"), *STACKS], capture_output=True, text=True)
    if ran.returncode:
        yield ran.stdout + ran.stderr


def resources(kind):
    for path in STACKS:
        for name, resource in load(path)["Resources"].items():
            if resource["Type"] == kind:
                yield f"{path.name} {name}", resource["Properties"]


def text(value):
    """The text of a property that may be substituted into."""
    return value["Sub"] if isinstance(value, dict) else value


def log_alarms():
    """What cfn-lint holds by CloudFormation's schema is held again by the model of the call behind it."""
    model = botocore.session.get_session().get_service_model("cloudwatch").operation_model("PutLogAlarm").input_shape
    alarms = list(resources("AWS::CloudWatch::LogAlarm"))
    if len(alarms) < 3:
        yield "less than three log alarms"
    for name, alarm in alarms:
        call = json.loads(json.dumps(alarm), object_hook=lambda o: o.get("Sub") or o.get("Ref") or o.get("GetAtt") or o)
        report = botocore.validate.ParamValidator().validate(call, model)
        if report.has_errors():
            yield f"{name}: {report.generate_report()}"
        if call["ScheduledQueryConfiguration"]["AggregationExpression"].count(" by ") != 1:
            yield f"{name}: names no host"


def actions():
    """An alarm that tells nobody is none."""
    for kind in ("AWS::CloudWatch::LogAlarm", "AWS::CloudWatch::Alarm"):
        for name, alarm in resources(kind):
            if not alarm.get("AlarmActions"):
                yield f"{name}: tells nobody"


def everywhere():
    """What a StackSet puts into several Regions of an account makes nothing twice that is of all Regions."""
    sets = dict(resources("AWS::CloudFormation::StackSet"))
    if len(sets) != 1:
        yield f"{len(sets)} stack sets"
    for name, properties in sets.items():
        given = {one["ParameterKey"]: one["ParameterValue"] for one in properties["Parameters"]}
        template = load(FLEET / "log-group.yaml")
        for made, resource in template["Resources"].items():
            is_named = any(key in resource["Properties"] for key in ("RoleName", "ManagedPolicyName", "UserName"))
            if is_named and resource.get("Condition") != "Here":
                yield f"log-group.yaml {made}: a second Region would make it again"
        yield from (f"{name}: log-group.yaml has no parameter {one}" for one in given if one not in template["Parameters"])
        if "WriterRegion" not in given:
            yield f"{name}: each Region would make the role of writers"


def metric_filters():
    for name, one in resources("AWS::Logs::MetricFilter"):
        if len(one["FilterPattern"]) > 1024:
            yield f"{name}: a pattern has 1,024 characters at most"
        for transformation in one["MetricTransformations"]:
            if transformation.get("Dimensions"):
                yield f"{name}: a dimension makes a metric for each of its values"


def fields(event, prefix=""):
    """Names of fields as Insights has them."""
    for key, value in event.items():
        if isinstance(value, dict):
            yield from fields(value, f"{prefix}{key}.")
        elif isinstance(value, list):
            yield from fields({str(n): v for n, v in enumerate(value)}, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def patterns(events):
    """The same of metric and subscription filters."""
    known = {name for event in events for name in fields(event)} | {"count"}
    for kind in ("AWS::Logs::MetricFilter", "AWS::Logs::SubscriptionFilter"):
        for name, one in resources(kind):
            for field in re.findall(r"\$\.([\w.]+)", one["FilterPattern"]):
                if field not in known:
                    yield f"{name}: no event has {field}"


# Made by the query itself, by the service, by the inventory, or in events that the small fleet does not have.
OTHERS = {"unmapped.explained_by.kind", "device.image.uid", "device.instance_uid", "unmapped.digests.signer",
          "@timestamp", "expected"}


def queries(events):
    """Every dotted field that a query asks for is one that real events have."""
    known = {name for event in events for name in fields(event)} | OTHERS
    asked = [(name, text(query["QueryString"])) for name, query in resources("AWS::Logs::QueryDefinition")]
    asked += [(name, text(alarm["ScheduledQueryConfiguration"]["QueryString"]))
              for name, alarm in resources("AWS::CloudWatch::LogAlarm")]
    for name, query in asked:
        if len(query) > 10_000:
            yield f"{name}: a query has 10,000 characters at most"
        for field in re.findall(r"(?<![\w'/@])[a-z_]+(?:\.[a-z_0-9]+)+", re.sub(r'"[^"]*"', "", query)):
            if field not in known:
                yield f"{name}: no event has {field}"


def languages():
    found = {query["QueryLanguage"] for _, query in resources("AWS::Logs::QueryDefinition")}
    if found != {"CWLI", "PPL", "SQL"}:
        yield f"saved queries are in {found}"


def main():
    events = [json.loads(line) for path in pathlib.Path(sys.argv[1]).glob("*.jsonl")
              for line in path.read_bytes().splitlines()]
    wrong = [fault for part in (lint(), log_alarms(), actions(), everywhere(), metric_filters(), queries(events),
                               patterns(events), languages()) for fault in part]
    print("\n".join(wrong) or f"{len(STACKS)} stacks are clean")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
