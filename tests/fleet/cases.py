"""Copies of events that agents made, whole and tampered with. Each case is a list of files, each a list of lines."""
import gzip
import json
import re


def lines(path):
    return [line for line in path.read_bytes().split(b"\n") if line]


def link(line):
    return b'"chain":{' in line


def edited(line):
    """Another severity: the chain's own fields stay as they are."""
    return line.replace(b'"severity_id":', b'"severity_id":1', 1)


def renumbered(line, from_, to):
    changed = line.replace(b'"sequence":%d,' % from_, b'"sequence":%d,' % to, 1)
    assert changed != line
    return changed


def declaring(events, text):
    """The last event, which nothing vouches for, declares that as lost."""
    events = [line for line in events if link(line)]
    at = position(events, sequences(events)[-1])
    changed = events[at].replace(b'"unmapped":{', b'"unmapped":{"dropped":{"ranges":["%s"]},' % text, 1)
    return events[:at] + [changed] + events[at + 1:]


def position(events, sequence):
    return next(at for at, line in enumerate(events)
                if link(line) and json.loads(line)["metadata"]["sequence"] == sequence)


def sequences(events):
    return sorted(json.loads(line)["metadata"]["sequence"] for line in events if link(line))


def without(events, *wanted):
    gone = {position(events, sequence) for sequence in wanted}
    return [line for at, line in enumerate(events) if at not in gone]


def replaced(events, sequence, change):
    at = position(events, sequence)
    return events[:at] + [change(events[at])] + events[at + 1:]


def swapped(events, first, second):
    """Each stands where the other stood, and says that it belongs there."""
    a, b = position(events, first), position(events, second)
    copy = list(events)
    copy[a], copy[b] = renumbered(events[b], second, first), renumbered(events[a], first, second)
    return copy


FOREIGN = [
    b"Nov 22 10:00:00 host sshd[1]: Accepted publickey for root",
    b'{"metadata":{"product":{"name":"other"},"uid":"x","sequence":5},"class_uid":2004,"unmapped":{}}',
    b'{"a":1}', b"[1,2,3]", b"null", b'"text"', b"{", b"}\t{",
]


def heartbeat_of(events, sequence):
    """The last heartbeat, naming another end."""
    beat = next(line for line in reversed(events) if b'"chain_head":{' in line)
    named = json.loads(beat)["unmapped"]["chain_head"]["sequence"]
    before, after = beat.rsplit(b'"sequence":%d' % named, 1)
    return before + b'"sequence":%d' % sequence + after


def forged(events, **form):
    """The last event of a finding as one that ends it, where a reader would see it; `form` puts other fields in."""
    event = json.loads(next(line for line in reversed(events) if link(line) and b'"finding_info":{' in line))
    event |= {"activity_id": 3, "activity_name": "Close", "severity_id": 1}
    event["metadata"]["uid"] = "01a22663-a340-7381-bac2-5f716cf667e7"
    event["metadata"]["sequence"] = sequences(events)[-1] + 1
    beat = json.loads(next(line for line in reversed(events) if b'"chain_head":{' in line))
    head = beat["unmapped"]["chain_head"]
    for key, value in form.items():
        place, name = {"chain": (event["unmapped"], "chain"), "sequence": (event["metadata"], "sequence"),
                       "product": (event["metadata"], "product")}.get(key, (event, key))
        if value is None:
            place.pop(name, None)
        else:
            place[name] = value
    if form.get("chain", 1) is None and form.get("head", True):
        event["unmapped"]["chain_head"] = head
    event.pop("head", None)
    return events + [json.dumps(event, separators=(",", ":")).encode()]


def forgeries(events):
    beat = {"class_uid": 6002, "activity_id": 99, "activity_name": "Heartbeat"}
    return {
        "a forged end with the head of the chain": forged(events, chain=None),
        "a forged end that looks like a heartbeat": forged(events, chain=None, sequence=None, **beat),
        "a forged heartbeat with a sequence": forged(events, chain=None, finding_info=None, **beat),
        "a forged end out of any chain": forged(events, chain=None, head=False),
        "a forged end with a sequence of a fraction": forged(events, sequence=float(sequences(events)[-1] + 1)),
        "a forged end with the sequence nought": forged(events, sequence=0),
        "a forged end of another product": forged(events, chain=None, product={"name": "other"}),
        "a finding of another product": forged(events, chain=None, head=False, product={"name": "other"}),
        "a heartbeat without a head": forged(
            events, chain=None, head=False, sequence=None, finding_info=None, **beat),
    }


def tampered(events):
    """Name → lines, of one host."""
    last = sequences(events)[-1]
    mid = last // 2
    rest = [line for line in events if link(line)]
    torn = events[-1][:len(events[-1]) // 2]
    bad = events[position(events, mid)].replace(b'"message":"', b'"message":"\xff\xc3\x28', 1)
    return {
        "whole": events,
        "no heartbeats": rest,
        "one lost": without(events, mid),
        "several lost": without(events, mid, mid + 1, mid + 2),
        "the beginning lost": without(events, 1, 2, 3),
        "the end lost": without(events, last, last - 1),
        "one edited": replaced(events, mid, edited),
        "the first edited": replaced(events, 1, edited),
        "the last edited": replaced(events, last, edited),
        "two neighbours edited": replaced(replaced(events, mid, edited), mid + 1, edited),
        "one edited before one lost": without(replaced(events, mid, edited), mid + 1),
        "two swapped and renumbered": swapped(events, mid, mid + 1),
        "all in reverse": events[::-1],
        "all twice": events + events,
        "one a thousand times": events + [events[position(events, mid)]] * 1000,
        "a second one, edited": events + [edited(events[position(events, mid)])],
        "an edited one first": [edited(events[position(events, mid)])] + events,
        "lines of others": FOREIGN + [line for pair in zip(events, FOREIGN * len(events)) for line in pair],
        "a torn last line": events[:-1] + [torn],
        "a byte that is no UTF-8": replaced(events, mid, lambda _: bad),
        "a line of others that is no UTF-8": [b'{"other":"\xff"}'] + events,
        "a key twice": replaced(events, mid, lambda line: line.replace(b'"metadata":{', b'"metadata":{},"metadata":{', 1)),
        "a sequence with a fraction": replaced(
            events, mid, lambda line: line.replace(b'"sequence":%d,' % mid, b'"sequence":%d.0,' % mid, 1)),
        "a heartbeat beyond the end": events + [heartbeat_of(events, last + 2).replace(b'"uid":"01', b'"uid":"00', 2)],
        "a heartbeat of the highest sequence": events + [
            heartbeat_of(events, 2**64 - 1).replace(b'"uid":"01', b'"uid":"00', 2)],
        "a sequence above the highest": replaced(events, mid, lambda line: renumbered(line, mid, 2**64)),
        "a heartbeat above the highest": events + [heartbeat_of(events, 2**64).replace(b'"uid":"01', b'"uid":"00', 2)],
        "times that no calendar has": [re.sub(rb'"time":\d+', b'"time":9223372036854775807', line) for line in events],
        "a heartbeat's uid twice": events + [heartbeat_of(events, last + 2)],
        "a byte order mark": [b"\xef\xbb\xbf" + events[0]] + events[1:],
        "byte order marks within": [b" \xef\xbb\xbf" + line for line in events],
        "blanks and carriage returns": [b" \t" + line + b"\r" for line in events],
    } | forgeries(events)


def cases(directory):
    """Name → files; a file is bytes, with the ending of its name."""
    one, two, fork, anew, dropped = (
        lines(directory / f"{name}.jsonl") for name in ("one", "two", "fork", "anew", "dropped"))
    declaration = next(at for at, line in enumerate(dropped) if b'"dropped":{' in line)

    def jsonl(events):
        return (".jsonl", b"\n".join(events) + b"\n")

    found = {name: [jsonl(events)] for name, events in tampered(one).items()}
    digest = b"0f" * 32
    found |= {f"declares {text[:30].decode()}": [jsonl(declaring(one, text))] for text in (
        b"", b"-", b"5-", b"-:-:" + digest, b"9-5:-:" + digest, b"0-1:-:" + digest, b"5-9:-", b"5-9:" + digest,
        b"5-9:-:" + digest + b":", b"5-9:-:" + digest[2:], b"5-9:-:" + digest[:-1] + b"g", b"5-9:00:" + digest,
        b"99999999999999999999999999999999-5:-:" + digest, b"5-18446744073709551616:-:" + digest,
        b"5-18446744073709551615:-:" + digest, b"100-200:-:" + digest, b"1-2:-:" + digest)}
    stamped = [b"2026-11-29T08:00:00.123Z " + line for line in one]
    found |= {
        "two hosts": [jsonl(one), jsonl(two)],
        "two hosts in one file": [jsonl([line for pair in zip(one, two) for line in pair])],
        "halves in two files": [jsonl(one[len(one) // 2:]), jsonl(one[:len(one) // 2])],
        "a chain that forks: one identity on two hosts": [jsonl(one), jsonl(fork)],
        "a chain begun anew": [jsonl(one), jsonl(anew)],
        "heartbeats of a chain without its events": [jsonl([line for line in one if not link(line)])],
        "declared losses": [jsonl(dropped)],
        "a declaration lost": [jsonl(dropped[:declaration] + dropped[declaration + 1:])],
        "a declaration edited": [jsonl(replaced(
            dropped, json.loads(dropped[declaration])["metadata"]["sequence"], edited))],
        "an export, compressed, with a time before each": [(".gz", gzip.compress(b"\n".join(stamped) + b"\n"))],
        "an export with one lost": [(".gz", gzip.compress(b"\n".join(stamped[:3] + stamped[4:]) + b"\n"))],
    }
    return found
