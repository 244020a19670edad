"""sql/agent-fleet as somebody runs it: exit statuses, exports that are cut off, and what is there very often."""
import gzip
import pathlib
import re
import subprocess
import sys
import time

import cases
import engines


def asked(question, *files):
    """Exit status, and what it says on standard error."""
    ran = subprocess.run([sys.executable, engines.SQL / "agent-fleet", question, *files, "--spill", files[0].parent / "spill"],
                         capture_output=True, text=True)
    return ran.returncode, ran.stderr


def zstd(content):
    return subprocess.run(["zstd", "-qc"], input=content, capture_output=True, check=True).stdout


# Of an event that an export holds again and again: 100 times what it is otherwise, and little on disk.
COPIES = 100_000


def most_memory(*command):
    """Exit status, and MiB that it took of memory at most. Not by getrusage: that counts what stood in memory before the
    program was put in the place of this one."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    most = 0
    while process.poll() is None:
        status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+)", status)
        most = max(most, int(found[1]) >> 10) if found else most
        time.sleep(0.02)
    return process.returncode, most


def repeated(agent, events, place):
    """The same event very often: counted once, and memory is bounded by what is allowed, not by how often it is there."""
    lines = cases.lines(events / "one.jsonl")
    path = place / "repeated.jsonl.zst"
    event = lines[cases.position(lines, 2)] + b"\n"
    path.write_bytes(zstd(b"\n".join(lines) + b"\n" + event * COPIES))
    size = len(event) * COPIES >> 20
    status, memory = most_memory(agent, "log", "verify", path)
    if status != 0 or memory > size:
        yield f"an event {COPIES} times, {size} MiB: status {status}, {memory} MiB by the agent"
    # What DuckDB holds may be 300 MB, the least that this question is answered with; Python takes some more.
    status, memory = most_memory(sys.executable, engines.SQL / "agent-fleet", "chain", path, "--spill", place / "spill",
                                 "--memory", "300MB")
    if status != 0 or memory > 500:
        yield f"an event {COPIES} times, {size} MiB: status {status}, {memory} MiB by agent-fleet"


def faults(agent, events, work):
    """What is wrong, in words."""
    place = work / "laptop"
    place.mkdir()
    whole = (events / "one.jsonl").read_bytes()
    lost = b"\n".join(cases.without(cases.lines(events / "one.jsonl"), 2)) + b"\n"
    declared = (events / "dropped.jsonl").read_bytes()
    packed = {".gz": gzip.compress, ".zst": zstd}
    wanted = [("whole", whole, ".zst", 0), ("lost", lost, ".zst", 1), ("declared", declared, ".gz", 3)]
    files = [(f"{name}.jsonl{ending}", packed[ending](content), status) for name, content, ending, status in wanted]
    # Cut off where a frame or a stream ends is no cut: what is missing then is missing from the chain.
    files += [(f"cut.jsonl{ending}", pack(whole)[:-20], 2) for ending, pack in packed.items()]
    files += [("cut-later.jsonl.zst", zstd(whole) + zstd(lost)[:-9], 2)]
    for name, content, status in files:
        path = place / name
        path.write_bytes(content)
        mine = subprocess.run([agent, "log", "verify", path], capture_output=True, text=True)
        theirs, said = asked("chain", path)
        if (mine.returncode, theirs) != (status, status):
            yield f"{name}: {mine.returncode} by the agent, {theirs} by agent-fleet, not {status}: {mine.stderr} {said}"
        if status == 2 and (name not in said or name not in mine.stderr):
            yield f"{name} is not named: {mine.stderr} {said}"
    found, said = asked("begun_anew", events / "one.jsonl", events / "anew.jsonl")
    if found != 1:
        yield f"begun_anew: {found} {said}"
    yield from repeated(agent, events, place)
