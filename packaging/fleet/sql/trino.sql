-- The tables that questions/*.sql ask, on Athena (engine 3) and Trino. The one part that is Trino's own.
-- Not run: no server of either could be had. Parsed by sqlglot in the dialects `trino` and `athena`.
--
-- `event_text` is the table of archive.yaml: a column `text`, partitions `day`. The views name no database: create them
-- in the one that holds it, and `expected_host` (host) and `image_catalogue` (image, manifest, name) beside them, of CSV files.
-- Text files have no line numbers here: `pos` is NULL, and what stands out of order is not told as `reordered` (its
-- digests contradict their places, which is told as `edited`).

CREATE OR REPLACE VIEW event_field AS
SELECT file, line,
  json_extract_scalar(line, '$.metadata.uid') AS uid, json_extract_scalar(line, '$.metadata.sequence') AS seq_text,
  json_extract_scalar(line, '$.unmapped.chain.id') AS chain, json_extract_scalar(line, '$.unmapped.chain.prev') AS prev,
  json_extract_scalar(line, '$.unmapped.chain.reason') AS reason,
  json_extract_scalar(line, '$.unmapped.chain.after.id') AS after_chain,
  json_extract_scalar(line, '$.unmapped.chain.after.sequence') AS after_seq_text,
  json_extract_scalar(line, '$.unmapped.chain.after.digest') AS after_digest,
  json_extract_scalar(line, '$.unmapped.chain_head.id') AS head_chain,
  json_extract_scalar(line, '$.unmapped.chain_head.sequence') AS head_seq_text,
  json_extract_scalar(line, '$.unmapped.chain_head.digest') AS head_digest,
  json_format(json_extract(line, '$.unmapped.dropped.ranges')) AS ranges, json_extract_scalar(line, '$.time') AS time_text,
  json_extract_scalar(line, '$.class_uid') AS class_text, json_extract_scalar(line, '$.activity_id') AS activity_text,
  json_extract_scalar(line, '$.activity_name') AS activity, json_extract_scalar(line, '$.severity_id') AS severity_text,
  json_extract_scalar(line, '$.device.instance_uid') AS instance_uid, json_extract_scalar(line, '$.device.uid') AS device_uid,
  json_extract_scalar(line, '$.device.hostname') AS hostname, json_extract_scalar(line, '$.device.image.uid') AS image,
  json_extract_scalar(line, '$.cloud.region') AS region, json_extract_scalar(line, '$.cloud.account.uid') AS account,
  json_extract_scalar(line, '$.metadata.correlation_uid') AS boot, json_extract_scalar(line, '$.finding_info.uid') AS finding,
  json_extract_scalar(line, '$.finding_info.analytic.uid') AS check_id, json_extract_scalar(line, '$.unmapped.subject') AS subject,
  json_extract_scalar(line, '$.unmapped.verdict') AS verdict, json_extract_scalar(line, '$.unmapped.changed') AS changed,
  json_format(json_extract(line, '$.unmapped.observed')) AS observed_text,
  json_extract_scalar(line, '$.evidences[0].name') AS evidence,
  json_extract_scalar(line, '$.evidences[0].file.hashes[0].value') AS content,
  json_extract_scalar(line, '$.unmapped.digests.manifest') AS manifest, json_extract_scalar(line, '$.unmapped.digests.signer') AS signer,
  json_extract_scalar(line, '$.unmapped.digests.binary') AS binary_sha256,
  json_extract_scalar(line, '$.actor.process.name') AS program, json_extract_scalar(line, '$.actor.process.user.uid') AS program_user,
  json_extract_scalar(line, '$.actor.process.cmd_line') AS command, json_extract_scalar(line, '$.unmapped.interval_s') AS interval_text,
  json_extract_scalar(line, '$.unmapped.explained_by.kind') AS explained_by, json_extract_scalar(line, '$.metadata.product.name') AS product,
  json_extract_scalar(line, '$.status_id') AS status_text,
  json_extract_scalar(line, '$.unmapped.unexplained_severity') AS unexplained_severity,
  json_format(json_extract(line, '$.finding_info')) AS info
FROM (SELECT "$path" AS file, CASE WHEN regexp_like(bare, '^[0-9]{4}-[0-9:.TZ-]+ [{]')
    THEN substr(bare, strpos(bare, ' ') + 1) ELSE bare END AS line
  FROM (SELECT "$path", regexp_replace(text, concat('^[ \t\r', chr(65279), ']+|[ \t\r]+$'), '') AS bare FROM event_text) raw WHERE bare <> '') cut;

CREATE OR REPLACE VIEW event_line AS
SELECT file, CAST(NULL AS bigint) AS pos, length(to_utf8(line)) AS bytes, lower(to_hex(sha256(to_utf8(line)))) AS digest,
  CASE WHEN uid IS NOT NULL AND chain IS NOT NULL AND seq BETWEEN 1 AND DECIMAL '18446744073709551615' THEN 'link'
    WHEN uid IS NOT NULL AND head_chain IS NOT NULL AND head_seq <= DECIMAL '18446744073709551615' AND chain IS NULL AND seq_text IS NULL
      AND class_text = '6002' AND activity_text = '99' AND activity = 'Heartbeat' AND info IS NULL THEN 'heartbeat'
    WHEN chain IS NOT NULL OR head_chain IS NOT NULL THEN 'stray'
    WHEN product = 'host-integrity-agent' AND NOT coalesce(class_text = '6002' AND activity_text = '99'
      AND activity = 'Heartbeat' AND seq_text IS NULL AND info IS NULL, false) THEN 'stray' ELSE 'foreign' END AS kind,
  uid, chain, seq, prev, reason, after_chain, after_seq, after_digest, head_chain, head_seq, head_digest, ranges,
  time_ms, CAST(from_unixtime(time_ms / 1000e0) AS date) AS day, TRY_CAST(class_text AS integer) AS class_uid,
  TRY_CAST(activity_text AS integer) AS activity_id, activity, TRY_CAST(severity_text AS integer) AS severity_id,
  coalesce(instance_uid, device_uid, hostname) AS host, instance_uid, hostname, image, region, account, boot, finding,
  check_id, subject, verdict, coalesce(CASE WHEN evidence = 'observed' THEN content END,
    CASE WHEN class_text = '2003' THEN observed_text END, changed) AS observed,
  manifest, signer, binary_sha256, program, program_user, command, interval_s,
  explained_by, product, TRY_CAST(status_text AS integer) AS status_id, unexplained_severity
FROM (SELECT *,
    -- A time beyond the year 9999 would stop the question for all hosts.
    CASE WHEN TRY_CAST(time_text AS bigint) BETWEEN 0 AND 253402300799999 THEN TRY_CAST(time_text AS bigint) END AS time_ms,
    -- No agent waits for longer than an hour: who claims to would never be missed.
    CASE WHEN TRY_CAST(interval_text AS bigint) BETWEEN 1 AND 3600 THEN TRY_CAST(interval_text AS bigint) END AS interval_s,
    CASE WHEN translate(seq_text, '0123456789', '') = '' THEN TRY_CAST(seq_text AS decimal(20, 0)) END AS seq,
    CASE WHEN translate(after_seq_text, '0123456789', '') = '' THEN TRY_CAST(after_seq_text AS decimal(20, 0)) END AS after_seq,
    CASE WHEN translate(head_seq_text, '0123456789', '') = '' THEN TRY_CAST(head_seq_text AS decimal(20, 0)) END AS head_seq
  FROM event_field) n;

-- Bytes that are no UTF-8 become U+FFFD in text files, as Trino's documents say of its readers: the line is then edited.
CREATE OR REPLACE VIEW unread AS
SELECT file, CAST(0 AS bigint) AS line, 'INVALID ENCODING' AS why FROM event_field WHERE strpos(line, chr(65533)) > 0;

CREATE OR REPLACE VIEW declared AS
SELECT chain, r AS range_text
FROM event_line CROSS JOIN UNNEST(split(translate(ranges, '[]",', '    '), ' ')) AS u (r)
WHERE kind = 'link' AND ranges IS NOT NULL AND r <> '';

CREATE OR REPLACE VIEW asked AS
SELECT CAST(to_unixtime(current_timestamp) * 1000 AS bigint) AS now_ms, CAST(900000 AS bigint) AS silent_ms;
