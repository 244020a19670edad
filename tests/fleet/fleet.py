"""A small fleet, of the events of one real host: ids, images and times are put in, so that each question has an answer
that is known. Its chains do not hold any more; questions/chain.sql is asked of real lines elsewhere."""
import copy
import json

import cases

HOUR = 3_600_000
CLOCK = "/changed/while/the/clock/was/ahead"
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


def changed(events, time=None, interval_s=None):
    """Numbers that nothing was made for: one event that stops a query would stop it for all hosts."""
    for event in events:
        event["time"] = event["time"] if time is None else time
        if interval_s is not None and "interval_s" in event["unmapped"]:
            event["unmapped"]["interval_s"] = interval_s
        yield event


def jumped(events):
    """A deviation that came about while the clock was a year ahead, and ended when it was right."""
    events = list(events)
    raised = copy.deepcopy(next(e for e in events if e["unmapped"].get("subject") and e["activity_id"] == 1))
    raised["unmapped"]["subject"], raised["finding_info"]["uid"] = CLOCK, "uid-of-clock"
    closed = copy.deepcopy(raised)
    for event, sequence, by_ms in ((raised, 1001, 365 * 24 * HOUR), (closed, 1002, 0)):
        event["metadata"].update(sequence=sequence, uid=f"jumped-{sequence}")
        event["time"] += by_ms
    closed["activity_id"] = 3
    return [*events, raised, closed]


def cloned(one, fork):
    """The state of a host, copied to another machine: both go on at once, with one identity."""
    one, fork = list(one), list(fork)
    middle = (one[0]["time"] + one[-1]["time"]) // 2
    by_ms = middle - fork[0]["time"]
    for event in fork:
        event["time"] += by_ms
        event["metadata"]["correlation_uid"] = "another-boot"
        event["metadata"]["uid"] += "-of-the-clone"
    # Whose heartbeats come when is chance: one of the clone's, whose chain is a link behind, comes last.
    behind = copy.deepcopy(next(event for event in one if "chain_head" in event["unmapped"]))
    behind["time"] = max(event["time"] for event in (*one, *fork)) + 1
    behind["unmapped"]["chain_head"]["sequence"] -= 1
    behind["metadata"].update(uid="behind", correlation_uid="another-boot")
    return [*one, *fork, behind]


def make(directory, work):
    """Writes the fleet; returns its files, the moment it is asked at, and the two tables beside it."""
    events = [json.loads(line) for line in cases.lines(directory / "two.jsonl")]
    digests = (event["unmapped"].get("digests", {}) for event in events)
    manifest = next(some["manifest"] for some in digests if "manifest" in some)
    # Questions are asked when all of them have spoken.
    end = max(json.loads(line)["time"] for name in ("two", "anew") for line in cases.lines(directory / f"{name}.jsonl"))
    rare = next(e["unmapped"]["subject"] for e in events if e["class_uid"] == 2004)
    usual = put(events, rare)
    lasting = [event for event in usual if event["activity_name"] != "Stop"]
    one, anew, fork = (
        [json.loads(line) for line in cases.lines(directory / f"{name}.jsonl")] for name in ("one", "anew", "fork"))
    begun = {event["unmapped"]["chain"]["reason"] for event in anew if "reason" in event["unmapped"].get("chain", {})}
    hosts = {
        "speaks": moved(usual, "i-0001", "ami-1", 0),
        "alone has the change": moved(events, "i-0002", "ami-1", 0),
        "silent": moved(lasting, "i-0003", "ami-1", -3 * HOUR),
        "its clock is a year ahead": moved(usual, "i-0004", "ami-2", 365 * 24 * HOUR),
        "shares a chain": moved(usual, "i-0005", "ami-3", 5, "chain-of-i-0001"),
        "its clock stands in another century": moved(lasting, "i-0006", "ami-3", -50 * 365 * 24 * HOUR),
        "no calendar has its time": changed(moved(lasting, "i-0007", "ami-3", 0), time=2**63 - 1),
        "silent, and claims to have said so": changed(
            moved(lasting, "i-0008", "ami-3", -3 * HOUR), interval_s=2**62),
        "its clock jumped back before the end": jumped(moved(usual, "i-0009", "ami-3", 0)),
        "began anew": [*moved(one, "i-0010", "ami-3", 0), *moved(anew, "i-0010", "ami-3", 0, "another-chain")],
        "cloned": cloned(moved(one, "i-0011", "ami-3", 0), moved(fork, "i-0011", "ami-3", 0)),
    }
    place = work / "fleet"
    place.mkdir()
    for name, some in hosts.items():
        lines = [json.dumps(event, separators=(",", ":")) for event in some]
        (place / f"{name.replace(' ', '-')}.jsonl").write_text("\n".join(lines) + "\n")
    (place / "others.jsonl").write_bytes(b"\n".join(cases.FOREIGN) + b"\n")
    expected, catalogue = work / "expected.csv", work / "catalogue.csv"
    expected.write_text("host\n" + "\n".join(EXPECTED) + "\n")
    catalogue.write_text(f"image,manifest,name\nami-1,{manifest},web\nami-2,{'0' * 64},db\n")
    return str(place / "*.jsonl"), {"expected": str(expected), "catalogue": str(catalogue), "now_ms": end + 60_000}, (rare, begun)


def faults(answers, known):
    """What is wrong with the answers to the questions, by name of the question."""
    rare, begun = known

    def hosts(question, verdict):
        return {row[0] for row in answers[question] if verdict in row[1]}

    def expect(what, found, wanted):
        if found != wanted:
            yield f"{what}: {found}, not {wanted}"

    yield from expect("silent", hosts("silent_hosts", "silent"), {"i-0003", "i-0006", "i-0008"})
    yield from expect("behind", hosts("silent_hosts", "clock behind"), {"i-0006"})
    yield from expect("no time", hosts("silent_hosts", "no time"), {"i-0007"})
    yield from expect("never heard", hosts("silent_hosts", "never heard"), {"i-0099"})
    yield from expect("clock", hosts("silent_hosts", "clock ahead"), {"i-0004", "i-0009"})
    yield from expect("other manifest", hosts("catalogue", "other manifest"), {"i-0004"})
    yield from expect("not in the catalogue", hosts("catalogue", "not in the catalogue"),
                      {"i-0005", "i-0006", "i-0007", "i-0008", "i-0009", "i-0010", "i-0011"})
    yield from expect("one chain", {row[2] for row in answers["identities"] if row[1].startswith("one chain")},
                      {"chain-of-i-0001"})
    yield from expect("cloned", {row[1] for row in answers["identities"] if row[0] == "i-0011"},
                      {"a chain forks: two write it", "two boots at once", "the head of a chain went back"})
    yield from expect("others", sorted((row[1], row[2]) for row in answers["unread"] if row[0].endswith("/others.jsonl")),
                      [("not of the agent: no product named", 7), ("not of the agent: other", 1)])
    yield from expect("readers", {row[0].rpartition("/")[2] for row in answers["unread"]}, {"others.jsonl"})
    yield from expect("prevalence", [row[5:7] for row in answers["prevalence"] if row[2] == rare], [(1, 3)])
    yield from expect("open", {row[0] for row in answers["open_findings"] if row[4] == rare}, {"i-0002"})
    yield from expect("ended", {row[0] for row in answers["open_findings"] if row[4] == CLOCK}, set())
    yield from expect("begun anew", {row[0] for row in answers["begun_anew"]}, {"i-0010"})
    yield from expect("reasons", begun <= {row[2] for row in answers["begun_anew"]}, True)
    yield from expect("first", {row[3] for row in answers["first_seen"] if row[1] == rare}, {"i-0002"})
    yield from expect("who", {row[5] for row in answers["who_changed"] if row[4] == rare}, {1})
    yield from expect("drift", {row[0] for row in answers["drift"]}, {"ami-1", "ami-2", "ami-3"})
    # Eleven hosts of which each was heard in an hour or two: a clock of another century adds no century.
    a_month = sum(row[4] for row in answers["cost"])
    dollars = sum(row[3] for row in answers["cost"])
    yield from expect("cost", 720 / 44 * dollars <= a_month <= 720 / 10 * dollars, True)
    for question in ("drift", "cost"):
        if not answers[question]:
            yield f"{question}: no row"
