-- Hosts that may not be who they say: two with one identity (a cloned image), or one that forges another's events.
-- Clocks that jump can bring about each of them but the first.
WITH boots AS (
  SELECT host, boot, min(time_ms) AS first_ms, max(time_ms) AS last_ms FROM event_line
  WHERE kind IN ('link', 'heartbeat') AND host IS NOT NULL AND boot IS NOT NULL GROUP BY host, boot
),
chains AS (
  SELECT host, coalesce(chain, head_chain) AS chain, min(time_ms) AS first_ms, max(time_ms) AS last_ms
  FROM event_line WHERE kind IN ('link', 'heartbeat') AND host IS NOT NULL GROUP BY host, coalesce(chain, head_chain)
),
beats AS (
  SELECT host, head_chain, time_ms, head_seq,
    max(head_seq) OVER (PARTITION BY head_chain ORDER BY coalesce(time_ms, 0), uid
      ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
  FROM event_line WHERE kind = 'heartbeat'
),
forks AS (
  SELECT max(host) AS host, chain, seq, min(time_ms) AS first_ms FROM event_line WHERE kind = 'link'
  GROUP BY chain, seq HAVING count(DISTINCT uid) > 1
)
SELECT min(host) AS host, 'one chain from several hosts' AS verdict, chain AS about, min(first_ms) AS first_ms
FROM chains GROUP BY chain HAVING count(DISTINCT host) > 1
UNION ALL
SELECT max(host), 'a chain forks: two write it', chain, min(first_ms) FROM forks GROUP BY chain
UNION ALL
SELECT a.host, 'two boots at once', concat(a.boot, ' ', b.boot), b.first_ms FROM boots a JOIN boots b
ON b.host = a.host AND b.boot <> a.boot AND b.first_ms > a.first_ms AND b.first_ms < a.last_ms
UNION ALL
SELECT a.host, 'two chains at once', concat(a.chain, ' ', b.chain), b.first_ms FROM chains a JOIN chains b
ON b.host = a.host AND b.chain <> a.chain AND b.first_ms > a.first_ms AND b.first_ms < a.last_ms
UNION ALL
SELECT max(host), 'the head of a chain went back', head_chain, min(time_ms) FROM beats
WHERE head_seq < before GROUP BY head_chain
ORDER BY 1, 2, 3
