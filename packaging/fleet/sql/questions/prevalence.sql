-- On how many hosts of an image is this change? Rare ones first: what one host alone has is what nobody rolled out.
WITH word AS (
  SELECT *, row_number() OVER (PARTITION BY host, finding ORDER BY chain DESC, seq DESC, time_ms DESC) AS nth
  FROM event_line WHERE kind = 'link' AND finding IS NOT NULL
),
fleet AS (
  SELECT coalesce(image, '-') AS image, count(DISTINCT host) AS hosts FROM event_line
  WHERE kind IN ('link', 'heartbeat') GROUP BY coalesce(image, '-')
),
change AS (
  SELECT coalesce(image, '-') AS image, check_id, subject, observed, count(DISTINCT host) AS on_hosts,
    max(severity_id) AS severity_id, min(host) AS one_of_them
  FROM word WHERE nth = 1 AND activity_id <> 3
  GROUP BY coalesce(image, '-'), check_id, subject, observed
)
SELECT c.image, c.check_id, c.subject, c.observed, c.severity_id, c.on_hosts, f.hosts,
  CAST(c.on_hosts AS DOUBLE) / f.hosts AS share, c.one_of_them
FROM change c JOIN fleet f ON f.image = c.image
ORDER BY share, c.severity_id DESC, c.image, c.check_id, c.subject, c.observed
