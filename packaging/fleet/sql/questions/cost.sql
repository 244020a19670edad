-- What ingestion costs, by kind of event: bytes as CloudWatch Logs counts them (26 more an event), at 0.50 $ a GB
-- (us-east-1, 2026), and what a host of the fleet has of it in 30 days if all days are as these.
WITH size AS (
  SELECT coalesce(activity, kind) AS what, count(*) AS events, sum(bytes + 26) AS bytes FROM event_line
  GROUP BY coalesce(activity, kind)
),
fleet AS (
  SELECT count(DISTINCT host) AS hosts, greatest(max(time_ms) - min(time_ms), 1) AS span_ms FROM event_line
  WHERE kind <> 'foreign'
)
SELECT what, events, bytes, bytes * 5e-10 AS dollars,
  bytes * 5e-10 / greatest(hosts, 1) * 2592000000 / span_ms AS dollars_a_host_in_30_days
FROM size CROSS JOIN fleet ORDER BY bytes DESC, what
