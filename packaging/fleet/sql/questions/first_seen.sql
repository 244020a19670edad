-- Where and when each change was seen first, and how many hosts have had it since. Newest first.
WITH seen AS (
  SELECT check_id, subject, observed, host, image, time_ms, severity_id,
    row_number() OVER (PARTITION BY check_id, subject, observed ORDER BY coalesce(time_ms, 253402300799999), host) AS nth
  FROM event_line WHERE kind = 'link' AND finding IS NOT NULL AND activity_id IN (1, 2)
)
SELECT check_id, subject, observed, max(CASE WHEN nth = 1 THEN host END) AS first_host,
  max(CASE WHEN nth = 1 THEN image END) AS first_image, min(time_ms) AS first_ms, max(time_ms) AS last_ms,
  count(DISTINCT host) AS hosts, max(severity_id) AS severity_id
FROM seen GROUP BY check_id, subject, observed
ORDER BY first_ms DESC, check_id, subject, observed
