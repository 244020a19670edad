"""What `agent log verify` says of files, and whether rows of questions/chain.sql say the same."""
import re
import subprocess

PROBLEM = re.compile(r"^(\S+)  (missing|edited|reordered|declared) +(\d+)(?: to (\d+))?")
STRAY = re.compile(r"^.+: line \d+  stray ", re.MULTILINE)


def by_agent(agent, files):
    """Exit status, the problems as (chain, kind, first, last), and how many lines are strays."""
    ran = subprocess.run([agent, "log", "verify", *files], capture_output=True, text=True)
    if ran.returncode not in (0, 1, 3):
        return ran.returncode, [("", ran.stderr, 0, 0)], 0
    found = [match.groups() for match in map(PROBLEM.match, ran.stdout.splitlines()) if match]
    strays = len(STRAY.findall(ran.stdout))
    return ran.returncode, [(chain, kind, int(first), int(last or first)) for chain, kind, first, last in found], strays


def by_rows(rows):
    """The same of rows of chain, problem, why, first, last."""
    found = [(chain, problem, int(first), int(last)) for chain, problem, _, first, last in rows if problem != "stray"]
    strays = sum(int(count) for _, problem, _, count, _ in rows if problem == "stray")
    kinds = {kind for _, kind, _, _ in found}
    return (1 if strays or kinds - {"declared"} else 3 if kinds else 0), found, strays


def joined(problems, kind):
    """The ranges of a kind, by chain, those that touch made one."""
    ranges = sorted((chain, first, last) for chain, k, first, last in problems if k == kind)
    whole = []
    for chain, first, last in ranges:
        if whole and whole[-1][0] == chain and first <= whole[-1][2] + 1:
            whole[-1] = (chain, whole[-1][1], max(last, whole[-1][2]))
        else:
            whole.append((chain, first, last))
    return whole


def covered(some, others):
    """Whether each range of `some` touches one of `others`."""
    return all(any(c == chain and f <= last and l >= first for c, f, l in others) for chain, first, last in some)


def disagreement(agent, rows, loose=False):
    """In words what the two disagree on; None where they agree. SQL names both neighbours where nothing vouches for
    either, so places of edits agree where they touch; everything else is equal. `loose`: the same places are at fault,
    whatever is said of them."""
    if agent[0] != rows[0]:
        return f"status {agent[0]} by the agent, {rows[0]} by SQL: {agent[1]} {rows[1]}"
    if loose:
        places = [[(chain, first, last) for chain, _, first, last in side[1]] for side in (agent, rows)]
        same = covered(places[0], places[1]) and covered(places[1], places[0])
        return None if same else f"places: {agent[1]} by the agent, {rows[1]} by SQL"
    if agent[2] != rows[2]:
        return f"strays: {agent[2]} by the agent, {rows[2]} by SQL"
    for kind in ("missing", "declared"):
        mine, theirs = joined(agent[1], kind), joined(rows[1], kind)
        if mine != theirs:
            return f"{kind}: {mine} by the agent, {theirs} by SQL"
    edits = [[(c, f, l) for c, k, f, l in side[1] if k == "edited"] for side in (agent, rows)]
    if not covered(edits[0], edits[1]) or not covered(edits[1], edits[0]):
        return f"edited: {edits[0]} by the agent, {edits[1]} by SQL"
    late = [{(c, f) for c, k, f, _ in side[1] if k == "reordered"} for side in (agent, rows)]
    if late[0] != late[1]:
        return f"reordered: {late[0]} by the agent, {late[1]} by SQL"
    return None
