//! The policies that users attach: as little as the sink calls, on nothing but its streams, for nobody but instances.

use serde_json::Value;
use std::collections::BTreeSet;

fn statements(file: &str) -> Vec<Value> {
    let path = harness::project().join("packaging/fleet").join(file);
    let text = std::fs::read_to_string(path).expect("it is there");
    let policy: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(
        policy["Version"], "2012-10-17",
        "older ones know no variables"
    );
    policy["Statement"].as_array().expect("statements").clone()
}

fn actions(statement: &Value) -> BTreeSet<&str> {
    let actions = statement["Action"].as_array().expect("actions");
    actions
        .iter()
        .map(|action| action.as_str().expect("text"))
        .collect()
}

#[test]
fn policies_allow_what_is_called_and_no_more() {
    let calls = BTreeSet::from(["logs:CreateLogStream", "logs:PutLogEvents"]);
    let roles = BTreeSet::from(["sts:AssumeRole", "sts:TagSession"]);
    let stream = "arn:aws:logs:REGION:ACCOUNT:log-group:/host-integrity-agent:log-stream:";
    for (file, allowed, resource) in [
        ("policy.json", &calls, format!("{stream}i-*")),
        (
            "strict/writer.json",
            &calls,
            format!("{stream}${{aws:PrincipalTag/InstanceId}}"),
        ),
        (
            "strict/instance.json",
            &roles,
            "arn:aws:iam::ACCOUNT:role/host-integrity-writer".to_owned(),
        ),
    ] {
        let [statement] = &statements(file)[..] else {
            panic!("{file}: one statement");
        };
        assert_eq!(statement["Effect"], "Allow");
        assert_eq!(&actions(statement), allowed, "{file}");
        assert_eq!(statement["Resource"], resource, "{file}");
    }
}

#[test]
fn credentials_must_come_from_an_instance_by_imdsv2() {
    for (file, operator, instance) in [
        ("policy.json", "ArnLike", "*"),
        (
            "strict/writer-trust.json",
            "StringEquals",
            "${aws:RequestTag/InstanceId}",
        ),
    ] {
        let condition = &statements(file)[0]["Condition"];
        let arn = format!("arn:aws:ec2:REGION:ACCOUNT:instance/{instance}");
        assert_eq!(condition[operator]["ec2:SourceInstanceARN"], arn, "{file}");
        assert_eq!(
            condition["NumericGreaterThanEquals"]["ec2:RoleDelivery"], "2.0",
            "{file}"
        );
    }
}
