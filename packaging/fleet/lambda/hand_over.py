"""Hands findings of the host integrity agent over to SSM Compliance and to Security Hub CSPM.

Called by CloudWatch Logs with what a subscription filter lets through: events of category 2 (findings), gzip and
base64. A finding that stands is an item of `Custom:HostIntegrity` of its instance, and an ASFF finding; one that ended
is COMPLIANT, and ARCHIVED. Hosts hold no key for either service.

Environment: COMPLIANCE ("yes": put items to SSM), SECURITY_HUB ("yes": import findings), PRODUCT_ARN.
"""
import base64
import datetime
import gzip
import json
import os

# BatchImportFindings: at most 100 findings a call.
BATCH = 100
# PutComplianceItems: at most 10,000 items a call, with PARTIAL those named change and no others.
ITEMS = 10_000
# AwsSecurityFinding.Title, Description, GeneratorId and the details of a compliance item are bounded.
TITLE, DESCRIPTION, DETAIL = 256, 1024, 4096

SEVERITY = {0: "INFORMATIONAL", 1: "INFORMATIONAL", 2: "LOW", 3: "MEDIUM", 4: "HIGH", 5: "CRITICAL", 6: "CRITICAL"}
TYPES = {
    2004: "Software and Configuration Checks/AWS Security Best Practices/Runtime Behavior Analysis",
    2003: "Software and Configuration Checks/Industry and Regulatory Standards",
}
CLOSED = 3


class Malformed(Exception):
    """The message is no event of the agent's."""


def decode(event):
    """The messages of one call of a subscription filter; none of a control message."""
    content = json.loads(gzip.decompress(base64.b64decode(event["awslogs"]["data"])))
    if content.get("messageType") != "DATA_MESSAGE":
        return []
    return [entry["message"] for entry in content["logEvents"]]


def rfc3339(milliseconds):
    moment = datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse(message):
    """The event as an object, if it is a finding of the agent's on an EC2 instance."""
    try:
        finding = json.loads(message)
        host = finding["device"]["instance_uid"]
        known = finding["category_uid"] == 2 and finding["metadata"]["product"]["name"] == "host-integrity-agent"
        if not known or not host.startswith("i-") or not finding["finding_info"]["uid"]:
            raise Malformed("not a finding of the agent on an instance")
        return finding
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Malformed(str(error)) from error


def newest(findings):
    """One for each host and finding: the last word on it."""
    last = {}
    for finding in findings:
        key = finding["device"]["instance_uid"], finding["finding_info"]["uid"]
        if key not in last or last[key]["time"] <= finding["time"]:
            last[key] = finding
    return list(last.values())


def subject(finding):
    return finding.get("unmapped", {}).get("subject") or finding["finding_info"].get("title", "")


def check(finding):
    return finding["finding_info"].get("analytic", {}).get("uid") or "host-integrity"


def item(finding):
    """A compliance item. Keys of Details are strings, as SSM takes them."""
    closed = finding["activity_id"] == CLOSED
    severity = SEVERITY.get(finding["severity_id"], "UNSPECIFIED")
    return {
        "Id": finding["finding_info"]["uid"],
        "Title": f"{check(finding)} {subject(finding)}"[:500],
        "Severity": "INFORMATIONAL" if closed else severity,
        "Status": "COMPLIANT" if closed else "NON_COMPLIANT",
        "Details": {
            "Check": check(finding),
            "Subject": subject(finding)[:DETAIL],
            "Message": finding.get("message", "")[:DETAIL],
            "DocumentName": "host-integrity-agent",
        },
    }


def asff(finding, product_arn, account, region):
    """A finding in the AWS Security Finding Format, 2018-10-08."""
    cloud = finding.get("cloud", {})
    account = cloud.get("account", {}).get("uid") or account
    region = cloud.get("region") or region
    host, info = finding["device"]["instance_uid"], finding["finding_info"]
    partition = product_arn.split(":")[1]
    closed = finding["activity_id"] == CLOSED
    result = {
        "SchemaVersion": "2018-10-08",
        "Id": f"host-integrity-agent/{host}/{info['uid']}",
        "ProductArn": product_arn,
        "GeneratorId": check(finding)[:512],
        "AwsAccountId": account,
        "Types": [TYPES.get(finding["class_uid"], TYPES[2004])],
        "CreatedAt": rfc3339(info.get("first_seen_time") or finding["time"]),
        "UpdatedAt": rfc3339(finding["time"]),
        "Severity": {"Label": SEVERITY.get(finding["severity_id"], "INFORMATIONAL")},
        "Title": f"{info.get('title') or check(finding)}: {subject(finding)}"[:TITLE],
        "Description": (finding.get("message") or subject(finding))[:DESCRIPTION],
        "ProductFields": {
            "host-integrity-agent/check": check(finding),
            "host-integrity-agent/subject": subject(finding)[:1024],
            "host-integrity-agent/event": finding["metadata"].get("uid", ""),
        },
        "Resources": [{
            "Type": "AwsEc2Instance",
            "Id": f"arn:{partition}:ec2:{region}:{account}:instance/{host}",
            "Partition": partition,
            "Region": region,
        }],
        "RecordState": "ARCHIVED" if closed else "ACTIVE",
        "Workflow": {"Status": "RESOLVED" if closed else "NEW"},
    }
    advice = finding.get("remediation", {}).get("desc")
    if advice:
        result["Remediation"] = {"Recommendation": {"Text": advice[:512]}}
    return result


def by_host(findings):
    hosts = {}
    for finding in findings:
        hosts.setdefault(finding["device"]["instance_uid"], []).append(finding)
    return hosts


def put_items(ssm, findings):
    """Each instance's items. PARTIAL: what this call does not name stays as it is."""
    for host, some in by_host(findings).items():
        latest = max(finding["time"] for finding in some)
        for at in range(0, len(some), ITEMS):
            ssm.put_compliance_items(
                ResourceId=host, ResourceType="ManagedInstance", ComplianceType="Custom:HostIntegrity",
                ExecutionSummary={"ExecutionTime": latest // 1000, "ExecutionType": "Event"},
                Items=[item(finding) for finding in some[at:at + ITEMS]], UploadType="PARTIAL")


def import_findings(hub, findings, product_arn, account, region):
    """Raises if any was refused: the call is made again, and what is still refused ends in the dead-letter queue."""
    refused = []
    for at in range(0, len(findings), BATCH):
        batch = [asff(finding, product_arn, account, region) for finding in findings[at:at + BATCH]]
        answer = hub.batch_import_findings(Findings=batch)
        refused += answer.get("FailedFindings", [])
    if refused:
        raise RuntimeError(f"Security Hub refused {len(refused)}: {refused[0].get('ErrorMessage')}")


def handler(event, context):
    """Returns how many were handed over, and how many messages were none of the agent's findings."""
    findings, others = [], 0
    for message in decode(event):
        try:
            findings.append(parse(message))
        except Malformed as error:
            others += 1
            print(json.dumps({"left_out": str(error)[:200]}))
    findings = newest(findings)
    import boto3
    if findings and os.environ.get("COMPLIANCE") == "yes":
        put_items(boto3.client("ssm"), findings)
    if findings and os.environ.get("SECURITY_HUB") == "yes":
        _, _, _, region, account = context.invoked_function_arn.split(":")[:5]
        import_findings(boto3.client("securityhub"), findings, os.environ["PRODUCT_ARN"], account, region)
    return {"handed_over": len(findings), "left_out": others}
