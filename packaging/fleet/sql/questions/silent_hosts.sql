-- Hosts that do not speak: silent, never heard (named in `expected_host` alone), or with a clock that runs ahead.
-- A host is silent after `silent_ms`, and after three of its own heartbeat intervals. `stopped`: its last word was that
-- it stops. Times of events are the host's own: a clock that is behind looks like silence, and one that is more than a year
-- behind is told as such, as one whose events have no time that can be.
WITH heard AS (
  SELECT host, max(CASE WHEN time_ms <= now_ms + 7200000 THEN time_ms END) AS last_ms, max(time_ms) AS latest_ms,
    max(CASE WHEN kind = 'heartbeat' THEN interval_s END) AS interval_s,
    max(CASE WHEN class_uid = 6002 AND activity_id = 4 THEN time_ms END) AS stopped_ms,
    max(image) AS image
  FROM event_line CROSS JOIN asked WHERE kind IN ('link', 'heartbeat') AND host IS NOT NULL GROUP BY host
),
judged AS (
  SELECT host, image, last_ms, latest_ms, CASE WHEN latest_ms > now_ms + 7200000 THEN 'clock ahead'
    WHEN latest_ms IS NULL THEN 'no time'
    WHEN last_ms + greatest(silent_ms, coalesce(interval_s, 0) * 3000) >= now_ms THEN 'speaks'
    WHEN stopped_ms = last_ms THEN 'stopped'
    WHEN last_ms < now_ms - 31536000000 THEN 'silent for a year, or clock behind' ELSE 'silent' END AS verdict
  FROM heard CROSS JOIN asked
)
SELECT host, verdict, image, last_ms, CAST(floor((now_ms - last_ms) / 60000) AS BIGINT) AS silent_minutes
FROM judged CROSS JOIN asked WHERE verdict <> 'speaks'
UNION ALL
SELECT e.host, 'never heard', NULL, NULL, NULL FROM expected_host e
LEFT JOIN heard h ON h.host = e.host WHERE h.host IS NULL
ORDER BY 2, 4, 1
