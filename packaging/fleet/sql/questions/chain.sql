-- What `agent log verify` says of the chains: missing, edited, reordered, declared as lost. No row: all is whole.
-- `first` and `last` are sequences; of `stray`, lines that pass for the agent's and have no place in a chain, how many. Where nothing vouches for either of two neighbours, both are named.
WITH link AS (
  SELECT chain, seq, digest, max(prev) AS prev, max(uid) AS uid FROM event_line WHERE kind = 'link'
  GROUP BY chain, seq, digest
),
place AS (SELECT chain, seq, count(*) AS versions FROM link GROUP BY chain, seq),
-- What events declare as lost; what is no range is an edit of whoever declares it.
said AS (
  SELECT chain, TRY_CAST(split_part(split_part(range_text, ':', 1), '-', 1) AS DECIMAL(20, 0)) AS first,
    TRY_CAST(split_part(split_part(range_text, ':', 1), '-', 2) AS DECIMAL(20, 0)) AS last,
    nullif(split_part(range_text, ':', 2), '-') AS prev, split_part(range_text, ':', 3) AS digest,
    CASE WHEN translate(range_text, '0123456789abcdef-', '') = '::'
      AND translate(split_part(range_text, ':', 1), '0123456789', '') = '-'
      AND (split_part(range_text, ':', 2) = '-' OR length(translate(split_part(range_text, ':', 2), '-', '')) = 64)
      AND length(translate(split_part(range_text, ':', 3), '-', '')) = 64 THEN 1 ELSE 0 END AS formed
  FROM declared
),
told AS (
  SELECT *, CASE WHEN formed = 1 AND first >= 1 AND first <= last
    AND last <= CAST('18446744073709551615' AS DECIMAL(20, 0)) THEN 1 ELSE 0 END AS sound FROM said
),
lost AS (SELECT DISTINCT chain, first, last, prev, digest FROM told WHERE sound = 1),
-- What heartbeats, and the beginnings of later chains, say of the end of a chain.
head AS (
  SELECT DISTINCT head_chain AS chain, head_seq AS seq, head_digest AS digest, 1 AS beats
  FROM event_line WHERE kind = 'heartbeat'
  UNION SELECT DISTINCT after_chain, after_seq, after_digest, 0
  FROM event_line WHERE kind = 'link' AND after_chain IS NOT NULL AND after_seq IS NOT NULL
),
tail AS (SELECT chain, max(seq) AS last FROM place GROUP BY chain),
step AS (
  SELECT chain, seq, max(seq) OVER (PARTITION BY chain ORDER BY seq
    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM place
),
-- Where no event is, between two of them, or up to the last one that is named.
hole AS (
  SELECT chain, coalesce(before, 0) + 1 AS first, seq - 1 AS last, '' AS why FROM step
  WHERE seq > coalesce(before, 0) + 1
  UNION ALL
  SELECT h.chain, max(coalesce(t.last, 0)) + 1, max(h.seq), 'a heartbeat names them: lost, or not shipped yet'
  FROM head h LEFT JOIN tail t ON t.chain = h.chain
  WHERE h.seq > coalesce(t.last, 0) AND h.digest IS NOT NULL
  GROUP BY h.chain HAVING max(h.beats) = 1 OR max(t.last) IS NOT NULL
),
excused AS (
  SELECT h.chain, h.first AS hole, h.last AS hole_end, h.why, greatest(d.first, h.first) AS first,
    least(d.last, h.last) AS last
  FROM hole h JOIN lost d ON d.chain = h.chain AND d.first <= h.last AND d.last >= h.first
),
part AS (
  SELECT chain, hole, hole_end, why, first, last FROM excused
  UNION ALL SELECT chain, first, last, why, last + 1, last + 1 FROM hole
),
edge AS (
  SELECT chain, why, first, greatest(hole, coalesce(max(last) OVER (PARTITION BY chain, hole ORDER BY first, last
    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) + 1) AS begin FROM part
),
-- Declared losses whose borders lie in holes say something of their neighbours.
node AS (
  SELECT chain, seq AS first, seq AS last, digest, prev, 1 AS event FROM link
  UNION ALL
  SELECT d.chain, d.first, d.last, d.digest, d.prev, 0 FROM lost d
  LEFT JOIN place p ON p.chain = d.chain AND (p.seq = d.first OR p.seq = d.last) WHERE p.seq IS NULL
),
pair AS (
  SELECT e.chain, e.first, count(CASE WHEN p.digest = e.prev THEN 1 END) AS fits
  FROM node e JOIN node p ON p.chain = e.chain AND p.last = e.first - 1
  WHERE e.event = 1 OR e.prev IS NOT NULL
  GROUP BY e.chain, e.first, e.last, e.digest, e.prev
),
-- What is said of an event's digest: by the one after it, by a heartbeat, by a declared loss after it.
claim AS (
  SELECT chain, first - 1 AS seq, prev AS digest FROM node WHERE prev IS NOT NULL
  UNION SELECT chain, seq, digest FROM head WHERE digest IS NOT NULL
),
ordered AS (
  SELECT file, chain, seq, digest, min(pos) AS pos FROM event_line WHERE kind = 'link'
  GROUP BY file, chain, seq, digest
),
late AS (
  SELECT chain, seq, digest, max(seq) OVER (PARTITION BY file, chain ORDER BY pos
    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS later FROM ordered
)
SELECT chain, 'missing' AS problem, why, begin AS first, first - 1 AS last FROM edge WHERE first > begin
UNION ALL
SELECT DISTINCT chain, 'declared', 'a full spool, or a sink, gave them up', first, last FROM excused
UNION ALL
SELECT chain, 'edited', 'its place is claimed by several', seq, seq FROM place WHERE versions > 1
UNION ALL
SELECT DISTINCT chain, 'edited', 'it, or the next, which names other bytes', first - 1, first FROM pair WHERE fits = 0
UNION ALL
SELECT chain, 'edited', 'the first names one before it', seq, seq FROM link WHERE seq = 1 AND prev IS NOT NULL
UNION ALL
SELECT chain, 'edited', 'it names none before it', seq, seq FROM link WHERE seq > 1 AND prev IS NULL
UNION ALL
SELECT DISTINCT h.chain, 'edited', 'a heartbeat names other bytes', h.seq, h.seq
FROM head h JOIN place p ON p.chain = h.chain AND p.seq = h.seq
LEFT JOIN link e ON e.chain = h.chain AND e.seq = h.seq AND e.digest = h.digest
WHERE e.digest IS NULL AND h.digest IS NOT NULL
UNION ALL
SELECT chain, 'edited', 'heartbeats do not agree on its digest', seq, seq FROM head
GROUP BY chain, seq HAVING count(DISTINCT digest) > 1
UNION ALL
SELECT min(chain), 'edited', 'one uid stands on several bytes', min(seq), max(seq) FROM link
GROUP BY uid HAVING count(DISTINCT digest) > 1
UNION ALL
SELECT min(head_chain), 'edited', 'the uid of a heartbeat stands on several bytes', min(head_seq), max(head_seq)
FROM event_line WHERE kind = 'heartbeat' GROUP BY uid HAVING count(DISTINCT digest) > 1
UNION ALL
SELECT l.chain, 'reordered', 'stands after a later one, and digests contradict its place', l.seq, max(l.later)
FROM late l JOIN claim c ON c.chain = l.chain AND c.seq = l.seq
LEFT JOIN link v ON v.chain = l.chain AND v.seq = l.seq AND v.digest = c.digest
WHERE l.later > l.seq AND v.digest IS NULL GROUP BY l.chain, l.seq
UNION ALL
SELECT t.chain, 'edited', 'a range that it declares is no range', max(t.last), max(t.last)
FROM tail t JOIN told d ON d.chain = t.chain WHERE d.sound = 0 GROUP BY t.chain
UNION ALL
SELECT coalesce(chain, head_chain, '-'), 'stray', file, count(*), count(*) FROM event_line WHERE kind = 'stray'
GROUP BY coalesce(chain, head_chain, '-'), file
ORDER BY 1, 4, 2, 3
