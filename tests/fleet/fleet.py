"""A small fleet, of the events of one real host: ids, images and times are put in, so that each question has an answer
that is known. Its chains do not hold any more; questions/chain.sql is asked of real lines elsewhere."""
import copy
import json

import cases

HOUR = 3_600_000
EXPECTED = ("i-0001", "i-0002", "i-0003", "i-0004", "i-0099")


def moved(events, host, image, by_ms, chain=None):
    """The events as another host's, so much later."""
    for event in events:
        event = copy.deepcopy(event)
        event["device"].update(instance_uid=host, uid=host, hostname=host, image={"uid": image})
        event["time"] += by_ms
        about = event["unmapped"]
        for link in (about.get("chain"), about.get("chain_head")):
            if link:
                link["id"] = chain or f"chain-of-{host}"
        event["metadata"]["uid"] = f"{host}-{event['metadata']['uid']}"
        yield event


def put(events, subject):
    """Without the finding on that subject."""
    return [event for event in events if event["unmapped"].get("subject") != subject]


def make(directory, work):
    """Writes the fleet; returns its files, the moment it is asked at, and the two tables beside it."""
    events = [json.loads(line) for line in cases.lines(directory / "two.jsonl")]
    digests = (event["unmapped"].get("digests", {}) for event in events)
    manifest = next(some["manifest"] for some in digests if "manifest" in some)
    end = max(event["time"] for event in events)
    rare = next(e["unmapped"]["subject"] for e in events if e["class_uid"] == 2004)
    usual = put(events, rare)
    hosts = {
        "speaks": moved(usual, "i-0001", "ami-1", 0),
        "alone has the change": moved(events, "i-0002", "ami-1", 0),
        "silent": moved([e for e in usual if e["activity_name"] != "Stop"], "i-0003", "ami-1", -3 * HOUR),
        "its clock is a year ahead": moved(usual, "i-0004", "ami-2", 365 * 24 * HOUR),
        "shares a chain": moved(usual, "i-0005", "ami-3", 5, "chain-of-i-0001"),
    }
    place = work / "fleet"
    place.mkdir()
    for name, some in hosts.items():
        lines = [json.dumps(event, separators=(",", ":")) for event in some]
        (place / f"{name.replace(' ', '-')}.jsonl").write_text("\n".join(lines) + "\n")
    expected, catalogue = work / "expected.csv", work / "catalogue.csv"
    expected.write_text("host\n" + "\n".join(EXPECTED) + "\n")
    catalogue.write_text(f"image,manifest,name\nami-1,{manifest},web\nami-2,{'0' * 64},db\n")
    return str(place / "*.jsonl"), {"expected": str(expected), "catalogue": str(catalogue), "now_ms": end + 60_000}, rare


def faults(answers, rare):
    """What is wrong with the answers to the questions, by name of the question."""
    def hosts(question, verdict):
        return {row[0] for row in answers[question] if verdict in row[1]}

    def expect(what, found, wanted):
        if found != wanted:
            yield f"{what}: {found}, not {wanted}"

    yield from expect("silent", hosts("silent_hosts", "silent"), {"i-0003"})
    yield from expect("never heard", hosts("silent_hosts", "never heard"), {"i-0099"})
    yield from expect("clock", hosts("silent_hosts", "clock ahead"), {"i-0004"})
    yield from expect("other manifest", hosts("catalogue", "other manifest"), {"i-0004"})
    yield from expect("not in the catalogue", hosts("catalogue", "not in the catalogue"), {"i-0005"})
    yield from expect("one chain", {row[2] for row in answers["identities"] if row[1].startswith("one chain")},
                      {"chain-of-i-0001"})
    yield from expect("prevalence", [row[5:7] for row in answers["prevalence"] if row[2] == rare], [(1, 3)])
    yield from expect("open", {row[0] for row in answers["open_findings"] if row[4] == rare}, {"i-0002"})
    yield from expect("first", {row[3] for row in answers["first_seen"] if row[1] == rare}, {"i-0002"})
    yield from expect("who", {row[5] for row in answers["who_changed"] if row[4] == rare}, {1})
    yield from expect("drift", {row[0] for row in answers["drift"]}, {"ami-1", "ami-2", "ami-3"})
    for question in ("drift", "cost"):
        if not answers[question]:
            yield f"{question}: no row"
