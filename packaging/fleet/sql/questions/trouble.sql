-- What the agents say they could not see or not deliver: coverage gaps, faults of their own, dropped events.
SELECT host, CASE WHEN class_uid = 6008 THEN 'fault' ELSE activity END AS what, count(*) AS events,
  max(severity_id) AS severity_id, min(time_ms) AS first_ms, max(time_ms) AS last_ms
FROM event_line
WHERE kind = 'link' AND (class_uid = 6008 OR activity IN ('Coverage gap', 'Dropped events'))
GROUP BY host, CASE WHEN class_uid = 6008 THEN 'fault' ELSE activity END
ORDER BY severity_id DESC, events DESC, host, what
