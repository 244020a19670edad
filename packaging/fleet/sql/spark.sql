-- The tables that questions/*.sql ask, on Spark SQL 4.3. The one part that is Spark's own.
--
--   SET agent.events    = s3://bucket/prefix/;         a path, a glob, or several in {a,b}
--   SET agent.expected  = s3://…/expected_hosts.csv;   who should speak
--   SET agent.catalogue = s3://…/image_catalogue.csv;  which manifest each image was baked with
--   SET agent.now_ms    = 1795940000000;               the end of what was fetched
--   SET agent.silent_ms = 900000;                      silent for longer than this is silent
--
-- The text source keeps the bytes of a line, also those that are no UTF-8. gzip is known by the name of the file; zstd
-- needs Hadoop's native library.

CREATE OR REPLACE TEMPORARY VIEW event_text AS
SELECT file, pos, CASE WHEN text RLIKE '^[0-9]{4}-[0-9:.TZ-]+ [{]'
    THEN substr(text, instr(text, ' ') + 1) ELSE text END AS line
FROM (SELECT _metadata.file_path AS file, monotonically_increasing_id() AS pos,
    trim(LEADING '\ufeff' FROM trim(BOTH '\u0020\u0009\u000d' FROM value)) AS text FROM text.`${agent.events}`) raw
WHERE text <> '';

CREATE OR REPLACE TEMPORARY VIEW event_field AS
SELECT file, pos, line,
  get_json_object(line, '$.metadata.uid') AS uid, get_json_object(line, '$.metadata.sequence') AS seq_text,
  get_json_object(line, '$.unmapped.chain.id') AS chain, get_json_object(line, '$.unmapped.chain.prev') AS prev,
  get_json_object(line, '$.unmapped.chain.reason') AS reason,
  get_json_object(line, '$.unmapped.chain.after.id') AS after_chain,
  get_json_object(line, '$.unmapped.chain.after.sequence') AS after_seq_text,
  get_json_object(line, '$.unmapped.chain.after.digest') AS after_digest,
  get_json_object(line, '$.unmapped.chain_head.id') AS head_chain,
  get_json_object(line, '$.unmapped.chain_head.sequence') AS head_seq_text,
  get_json_object(line, '$.unmapped.chain_head.digest') AS head_digest,
  get_json_object(line, '$.unmapped.dropped.ranges') AS ranges, get_json_object(line, '$.time') AS time_text,
  get_json_object(line, '$.class_uid') AS class_text, get_json_object(line, '$.activity_id') AS activity_text,
  get_json_object(line, '$.activity_name') AS activity, get_json_object(line, '$.severity_id') AS severity_text,
  get_json_object(line, '$.device.instance_uid') AS instance_uid, get_json_object(line, '$.device.uid') AS device_uid,
  get_json_object(line, '$.device.hostname') AS hostname, get_json_object(line, '$.device.image.uid') AS image,
  get_json_object(line, '$.cloud.region') AS region, get_json_object(line, '$.cloud.account.uid') AS account,
  get_json_object(line, '$.metadata.correlation_uid') AS boot, get_json_object(line, '$.finding_info.uid') AS finding,
  get_json_object(line, '$.finding_info.analytic.uid') AS check_id, get_json_object(line, '$.unmapped.subject') AS subject,
  get_json_object(line, '$.unmapped.verdict') AS verdict, get_json_object(line, '$.unmapped.changed') AS changed,
  get_json_object(line, '$.unmapped.observed') AS observed_text, get_json_object(line, '$.evidences[0].name') AS evidence,
  get_json_object(line, '$.evidences[0].file.hashes[0].value') AS content,
  get_json_object(line, '$.unmapped.digests.manifest') AS manifest, get_json_object(line, '$.unmapped.digests.signer') AS signer,
  get_json_object(line, '$.unmapped.digests.binary') AS binary_sha256,
  get_json_object(line, '$.actor.process.name') AS program, get_json_object(line, '$.actor.process.user.uid') AS program_user,
  get_json_object(line, '$.actor.process.cmd_line') AS command, get_json_object(line, '$.unmapped.interval_s') AS interval_text,
  get_json_object(line, '$.unmapped.explained_by.kind') AS explained_by, get_json_object(line, '$.metadata.product.name') AS product,
  get_json_object(line, '$.status_id') AS status_text,
  get_json_object(line, '$.unmapped.unexplained_severity') AS unexplained_severity,
  get_json_object(line, '$.finding_info') AS info
FROM event_text;

-- Kept: each use of a view reads all files again.
UNCACHE TABLE IF EXISTS event_line;
DROP VIEW IF EXISTS event_line;
CACHE TABLE event_line AS
SELECT file, pos, octet_length(line) AS bytes, sha2(line, 256) AS digest,
  CASE WHEN uid IS NOT NULL AND chain IS NOT NULL AND seq BETWEEN 1 AND 18446744073709551615 THEN 'link'
    WHEN uid IS NOT NULL AND head_chain IS NOT NULL AND head_seq <= 18446744073709551615 AND chain IS NULL AND seq_text IS NULL
      AND class_text = '6002' AND activity_text = '99' AND activity = 'Heartbeat' AND info IS NULL THEN 'heartbeat'
    WHEN chain IS NOT NULL OR head_chain IS NOT NULL THEN 'stray'
    WHEN product = 'host-integrity-agent' AND NOT coalesce(class_text = '6002' AND activity_text = '99'
      AND activity = 'Heartbeat' AND seq_text IS NULL AND info IS NULL, false) THEN 'stray' ELSE 'foreign' END AS kind,
  uid, chain, seq, prev, reason, after_chain, after_seq, after_digest, head_chain, head_seq, head_digest, ranges,
  time_ms, CAST(timestamp_millis(time_ms) AS DATE) AS day, TRY_CAST(class_text AS INT) AS class_uid,
  TRY_CAST(activity_text AS INT) AS activity_id, activity, TRY_CAST(severity_text AS INT) AS severity_id,
  coalesce(instance_uid, device_uid, hostname) AS host, instance_uid, hostname, image, region, account, boot, finding,
  check_id, subject, verdict, coalesce(CASE WHEN evidence = 'observed' THEN content END,
    CASE WHEN class_text = '2003' THEN observed_text END, changed) AS observed,
  manifest, signer, binary_sha256, program, program_user, command, interval_s,
  explained_by, product, TRY_CAST(status_text AS INT) AS status_id, unexplained_severity
FROM (SELECT *,
    -- A time beyond the year 9999 would stop the question for all hosts.
    CASE WHEN TRY_CAST(time_text AS BIGINT) BETWEEN 0 AND 253402300799999 THEN TRY_CAST(time_text AS BIGINT) END AS time_ms,
    -- No agent waits for longer than an hour: who claims to would never be missed.
    CASE WHEN TRY_CAST(interval_text AS BIGINT) BETWEEN 1 AND 3600 THEN TRY_CAST(interval_text AS BIGINT) END AS interval_s,
    CASE WHEN translate(seq_text, '0123456789', '') = '' THEN TRY_CAST(seq_text AS DECIMAL(20, 0)) END AS seq,
    CASE WHEN translate(after_seq_text, '0123456789', '') = '' THEN TRY_CAST(after_seq_text AS DECIMAL(20, 0)) END AS after_seq,
    CASE WHEN translate(head_seq_text, '0123456789', '') = '' THEN TRY_CAST(head_seq_text AS DECIMAL(20, 0)) END AS head_seq
  FROM event_field) n;

-- Spark reads every line: what is wrong with it shows in what it says.
CREATE OR REPLACE TEMPORARY VIEW unread AS
SELECT file, CAST(0 AS BIGINT) AS line, 'INVALID ENCODING' AS why
FROM event_text WHERE NOT is_valid_utf8(line);

-- One row for each range that an event declares as lost.
CREATE OR REPLACE TEMPORARY VIEW declared AS
SELECT chain, r AS range_text FROM (
  SELECT chain, explode(split(translate(ranges, '[]",', '    '), ' ')) AS r
  FROM event_line WHERE kind = 'link' AND ranges IS NOT NULL) x
WHERE r <> '';

CREATE OR REPLACE TEMPORARY VIEW asked AS
SELECT CAST('${agent.now_ms}' AS BIGINT) AS now_ms, CAST('${agent.silent_ms}' AS BIGINT) AS silent_ms;
CREATE OR REPLACE TEMPORARY VIEW expected_host (host STRING) USING csv
OPTIONS (path '${agent.expected}', header 'true');
CREATE OR REPLACE TEMPORARY VIEW image_catalogue (image STRING, manifest STRING, name STRING) USING csv
OPTIONS (path '${agent.catalogue}', header 'true');
