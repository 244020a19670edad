-- Hosts whose manifest is not the one that their image was baked with, by `image_catalogue`.
WITH said AS (
  SELECT host, max(image) AS image, max_by(manifest, time_ms) AS manifest, max_by(signer, time_ms) AS signer,
    max_by(binary_sha256, time_ms) AS binary_sha256, max(time_ms) AS last_ms
  FROM event_line WHERE kind IN ('link', 'heartbeat') AND manifest IS NOT NULL AND host IS NOT NULL GROUP BY host
),
mute AS (
  SELECT host, max(image) AS image, max(time_ms) AS last_ms FROM event_line
  WHERE kind IN ('link', 'heartbeat') AND host IS NOT NULL GROUP BY host HAVING max(manifest) IS NULL
),
judged AS (
  SELECT s.host, s.image, s.manifest, s.signer, s.binary_sha256, s.last_ms,
    CASE WHEN s.image IS NULL THEN 'no image id'
      WHEN c.image IS NULL THEN 'image is not in the catalogue'
      WHEN c.matches = 0 THEN 'other manifest than the image was baked with'
      WHEN s.signer IS NULL THEN 'no trusted signer' ELSE 'as baked' END AS verdict
  FROM said s LEFT JOIN (
    SELECT x.host, c.image, max(CASE WHEN c.manifest = x.manifest THEN 1 ELSE 0 END) AS matches
    FROM said x JOIN image_catalogue c ON c.image = x.image GROUP BY x.host, c.image) c ON c.host = s.host
)
SELECT host, verdict, image, manifest, signer, binary_sha256, last_ms FROM judged WHERE verdict <> 'as baked'
UNION ALL SELECT host, 'names no manifest', image, NULL, NULL, NULL, last_ms FROM mute
ORDER BY 2, 3, 1
