-- Who changed what: program and user where attribution knew them, by how many hosts saw it.
SELECT program, program_user, command, check_id, subject, count(DISTINCT host) AS hosts, count(*) AS events,
  min(time_ms) AS first_ms, max(time_ms) AS last_ms
FROM event_line WHERE kind = 'link' AND class_uid = 2004 AND activity_id IN (1, 2)
GROUP BY program, program_user, command, check_id, subject
ORDER BY hosts, last_ms DESC, program, subject
