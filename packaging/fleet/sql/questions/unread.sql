-- What was not read as an event of the agent: what the engine refused, and lines of others. A hole in a chain beside
-- such a line is that line, as a rule.
SELECT file, why, count(*) AS lines FROM unread GROUP BY file, why
UNION ALL
SELECT file, concat('not of the agent: ', coalesce(product, 'no product named')), count(*)
FROM event_line WHERE kind = 'foreign' GROUP BY file, coalesce(product, 'no product named')
UNION ALL
SELECT file, 'stray: passes for the agent''s, and has no place in a chain', count(*)
FROM event_line WHERE kind = 'stray' GROUP BY file
ORDER BY 1, 2
