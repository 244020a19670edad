-- The tables that questions/*.sql ask, on DuckDB 2.0. The one part that is DuckDB's own.
--
--   SET VARIABLE events    = ['logs/**/*.jsonl*'];     globs; also s3://… after LOAD httpfs
--   SET VARIABLE expected  = 'expected_hosts.csv';     who should speak
--   SET VARIABLE catalogue = 'image_catalogue.csv';    which manifest each image was baked with
--   SET VARIABLE now_ms    = epoch_ms(now());          or the end of what was fetched
--   SET VARIABLE silent_ms = 900000;                   silent for longer than this is silent
--
-- Lines are read as text: a digest is over the exact bytes of a line, and DuckDB's JSON reader does not keep
-- them. A line that is no UTF-8, or longer than 4 MiB, is refused by DuckDB and stands in `unread`.
-- gzip and zstd are known by the name of the file.

CREATE OR REPLACE TEMP TABLE event_line AS
WITH raw AS (
  SELECT filename AS file, row_number() OVER () AS pos,
    ltrim(trim(line, chr(32) || chr(9) || chr(13)), chr(65279)) AS text
  FROM read_csv(getvariable('events'), columns = {'line': 'VARCHAR'}, header = false, auto_detect = false,
    delim = '', quote = '', escape = '', strict_mode = false, filename = true, max_line_size = 4194304,
    store_rejects = true, rejects_limit = 0)
),
-- An export of CloudWatch Logs has a time and a blank before each event.
cut AS (
  SELECT file, pos, CASE WHEN regexp_matches(text, '^[0-9]{4}-[0-9:.TZ-]+ [{]')
    THEN substr(text, strpos(text, ' ') + 1) ELSE text END AS line
  FROM raw WHERE text <> ''
),
-- One pass over each line for all fields.
field AS (
  SELECT file, pos, line, json_extract_string(CASE WHEN json_valid(line) THEN line END, [
    '$.metadata.uid', '$.metadata.sequence', '$.unmapped.chain.id', '$.unmapped.chain.prev',
    '$.unmapped.chain.reason', '$.unmapped.chain.after.id', '$.unmapped.chain.after.sequence',
    '$.unmapped.chain.after.digest', '$.unmapped.chain_head.id', '$.unmapped.chain_head.sequence',
    '$.unmapped.chain_head.digest', '$.unmapped.dropped.ranges', '$.time', '$.class_uid', '$.activity_id',
    '$.activity_name', '$.severity_id', '$.device.instance_uid', '$.device.uid', '$.device.hostname',
    '$.device.image.uid', '$.cloud.region', '$.cloud.account.uid', '$.metadata.correlation_uid',
    '$.finding_info.uid', '$.finding_info.analytic.uid', '$.unmapped.subject', '$.unmapped.verdict',
    '$.unmapped.changed', '$.unmapped.observed', '$.evidences[0].name', '$.evidences[0].file.hashes[0].value',
    '$.unmapped.digests.manifest', '$.unmapped.digests.signer', '$.unmapped.digests.binary',
    '$.actor.process.name', '$.actor.process.user.uid', '$.actor.process.cmd_line', '$.unmapped.interval_s',
    '$.unmapped.explained_by.kind', '$.metadata.product.name', '$.status_id', '$.unmapped.unexplained_severity',
    '$.finding_info']) AS f
  FROM cut
),
number AS (
  SELECT *, CASE WHEN translate(f[2], '0123456789', '') = '' THEN TRY_CAST(f[2] AS DECIMAL(20, 0)) END AS seq_,
    CASE WHEN translate(f[7], '0123456789', '') = '' THEN TRY_CAST(f[7] AS DECIMAL(20, 0)) END AS after_seq_,
    CASE WHEN translate(f[10], '0123456789', '') = '' THEN TRY_CAST(f[10] AS DECIMAL(20, 0)) END AS head_seq_,
    -- A time beyond the year 9999 would stop the question for all hosts.
    CASE WHEN TRY_CAST(f[13] AS BIGINT) BETWEEN 0 AND 253402300799999 THEN TRY_CAST(f[13] AS BIGINT) END AS time_ms_,
    -- No agent waits for longer than an hour: who claims to would never be missed.
    CASE WHEN TRY_CAST(f[39] AS BIGINT) BETWEEN 1 AND 3600 THEN TRY_CAST(f[39] AS BIGINT) END AS interval_s_
  FROM field
)
SELECT file, pos, strlen(line) AS bytes, sha256(line) AS digest,
  CASE WHEN f[1] IS NOT NULL AND f[3] IS NOT NULL AND seq_ BETWEEN 1 AND 18446744073709551615 THEN 'link'
    WHEN f[1] IS NOT NULL AND f[9] IS NOT NULL AND head_seq_ <= 18446744073709551615 AND f[3] IS NULL AND f[2] IS NULL
      AND f[14] = '6002' AND f[15] = '99' AND f[16] = 'Heartbeat' AND f[44] IS NULL THEN 'heartbeat'
    WHEN f[3] IS NOT NULL OR f[9] IS NOT NULL THEN 'stray'
    WHEN f[41] = 'host-integrity-agent' AND (f[14] = '6002' AND f[15] = '99' AND f[16] = 'Heartbeat' AND f[2] IS NULL
      AND f[44] IS NULL) IS NOT TRUE THEN 'stray' ELSE 'foreign' END AS kind,
  f[1] AS uid, f[3] AS chain, seq_ AS seq, f[4] AS prev, f[5] AS reason, f[6] AS after_chain,
  after_seq_ AS after_seq, f[8] AS after_digest, f[9] AS head_chain, head_seq_ AS head_seq,
  f[11] AS head_digest, f[12] AS ranges, time_ms_ AS time_ms, CAST(epoch_ms(time_ms_) AS DATE) AS day,
  TRY_CAST(f[14] AS INTEGER) AS class_uid,
  TRY_CAST(f[15] AS INTEGER) AS activity_id, f[16] AS activity, TRY_CAST(f[17] AS INTEGER) AS severity_id,
  coalesce(f[18], f[19], f[20]) AS host, f[18] AS instance_uid, f[20] AS hostname, f[21] AS image,
  f[22] AS region, f[23] AS account, f[24] AS boot, f[25] AS finding, f[26] AS check_id, f[27] AS subject,
  f[28] AS verdict, coalesce(CASE WHEN f[31] = 'observed' THEN f[32] END,
    CASE WHEN f[14] = '2003' THEN f[30] END, f[29]) AS observed,
  f[33] AS manifest, f[34] AS signer, f[35] AS binary_sha256, f[36] AS program, f[37] AS program_user,
  f[38] AS command, interval_s_ AS interval_s, f[40] AS explained_by, f[41] AS product,
  TRY_CAST(f[42] AS INTEGER) AS status_id, f[43] AS unexplained_severity
FROM number;

-- What DuckDB refused to read: told, since a line that is dropped in silence looks like a hole in a chain.
CREATE OR REPLACE TEMP VIEW unread AS
SELECT s.file_path AS file, CAST(e.line AS BIGINT) AS line, CAST(e.error_type AS VARCHAR) AS why
FROM reject_errors e JOIN reject_scans s ON s.scan_id = e.scan_id AND s.file_id = e.file_id;

-- One row for each range that an event declares as lost.
CREATE OR REPLACE TEMP VIEW declared AS
SELECT chain, r AS range_text FROM (
  SELECT chain, unnest(string_split(translate(ranges, '[]",', '    '), ' ')) AS r
  FROM event_line WHERE kind = 'link' AND ranges IS NOT NULL) x
WHERE r <> '';

CREATE OR REPLACE TEMP VIEW asked AS
SELECT CAST(getvariable('now_ms') AS BIGINT) AS now_ms, CAST(getvariable('silent_ms') AS BIGINT) AS silent_ms;
CREATE OR REPLACE TEMP VIEW expected_host AS
SELECT host FROM read_csv(getvariable('expected'), columns = {'host': 'VARCHAR'}, header = true, auto_detect = false);
CREATE OR REPLACE TEMP VIEW image_catalogue AS
SELECT image, manifest, name FROM read_csv(getvariable('catalogue'),
  columns = {'image': 'VARCHAR', 'manifest': 'VARCHAR', 'name': 'VARCHAR'}, header = true, auto_detect = false);
