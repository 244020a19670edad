-- What ingestion costs, by kind of event: bytes as CloudWatch Logs counts them (26 more an event), at 0.50 $ a GB
-- (us-east-1, 2026), and what a host of the fleet has of it in 30 days if all hours are as those in which hosts were heard.
-- Hours are counted host by host: one clock that is years off adds one of them, and not those years.
WITH size AS (
  SELECT coalesce(activity, kind) AS what, count(*) AS events, sum(bytes + 26) AS bytes FROM event_line
  GROUP BY coalesce(activity, kind)
),
heard AS (
  SELECT DISTINCT host, floor(time_ms / 3600000) AS hour FROM event_line
  WHERE kind IN ('link', 'heartbeat') AND host IS NOT NULL AND time_ms IS NOT NULL
),
fleet AS (SELECT greatest(count(*), 1) AS host_hours FROM heard)
SELECT what, events, bytes, bytes * 5e-10 AS dollars, bytes * 5e-10 * 720 / host_hours AS dollars_a_host_in_30_days
FROM size CROSS JOIN fleet ORDER BY bytes DESC, what
