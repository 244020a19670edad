-- Hosts that began a chain anew: each of their chains with the reason its first event gives, and the chain that it says was
-- before it. A reason that nobody can account for is worth a question: whoever removes the state begins a chain as well.
WITH several AS (
  SELECT host FROM event_line WHERE kind = 'link' AND host IS NOT NULL GROUP BY host HAVING count(DISTINCT chain) > 1
)
SELECT e.host, e.chain, max(CASE WHEN e.seq = 1 THEN e.reason END) AS reason, max(e.after_chain) AS after_chain,
  count(DISTINCT e.seq) AS events, min(e.time_ms) AS first_ms, max(e.time_ms) AS last_ms
FROM event_line e JOIN several s ON s.host = e.host WHERE e.kind = 'link'
GROUP BY e.host, e.chain
ORDER BY 1, 6, 2
