-- Deviations that stand: the last word on each, worst first. A finding has one uid for as long as it stands.
-- The last word is that of the highest sequence: clocks may jump.
WITH word AS (
  SELECT *, row_number() OVER (PARTITION BY host, finding ORDER BY chain DESC, seq DESC, time_ms DESC) AS nth
  FROM event_line WHERE kind = 'link' AND finding IS NOT NULL
)
SELECT host, image, severity_id, check_id, subject, observed, explained_by, program, time_ms
FROM word WHERE nth = 1 AND activity_id <> 3
ORDER BY severity_id DESC, check_id, subject, host
