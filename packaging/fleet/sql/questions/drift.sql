-- How an image drifts: for each day on which something began or ended, the deviations that stand at its end, and the
-- hosts that were heard.
WITH word AS (
  SELECT *, row_number() OVER (PARTITION BY host, finding ORDER BY chain DESC, seq DESC, time_ms DESC) AS nth
  FROM event_line WHERE kind = 'link' AND finding IS NOT NULL AND day IS NOT NULL
),
life AS (
  SELECT host, finding, max(coalesce(image, '-')) AS image, min(day) AS began,
    max(CASE WHEN nth = 1 AND activity_id = 3 THEN day END) AS ended
  FROM word GROUP BY host, finding
),
turn AS (
  SELECT image, began AS day, 1 AS began, 0 AS ended FROM life
  UNION ALL SELECT image, ended, 0, 1 FROM life WHERE ended IS NOT NULL
),
daily AS (SELECT image, day, sum(began) AS began, sum(ended) AS ended FROM turn GROUP BY image, day),
fleet AS (
  SELECT coalesce(image, '-') AS image, day, count(DISTINCT host) AS hosts FROM event_line
  WHERE kind IN ('link', 'heartbeat') AND day IS NOT NULL GROUP BY coalesce(image, '-'), day
)
SELECT d.image, d.day, d.began, d.ended, sum(d.began - d.ended) OVER (PARTITION BY d.image ORDER BY d.day
  ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS stand, f.hosts
FROM daily d LEFT JOIN fleet f ON f.image = d.image AND f.day = d.day
ORDER BY 1, 2
