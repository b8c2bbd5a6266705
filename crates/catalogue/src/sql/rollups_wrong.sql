-- Sums are made in halves of 32 bits, as they can be more than 64 bits hold.
SELECT d.id
FROM nodes d
LEFT JOIN rollups r ON r.node_id = d.id
LEFT JOIN (
    SELECT c.parent_id AS id,
           sum(iif(c.state IN ('active', 'inconsistent'), c.size_bytes >> 32, 0)
               + coalesce((b.size_high << 30) + (b.size_bytes >> 32), 0)) AS size_high,
           sum(iif(c.state IN ('active', 'inconsistent'), c.size_bytes & 4294967295, 0)
               + coalesce(b.size_bytes & 4294967295, 0)) AS size_low,
           sum(iif(c.state IN ('active', 'inconsistent') AND c.kind <> 'directory', 1, 0)
               + coalesce(b.file_count, 0)) AS file_count,
           sum(iif(c.state IN ('active', 'inconsistent') AND c.kind = 'directory', 1, 0)
               + coalesce(b.directory_count, 0)) AS directory_count,
           sum(c.state IN ('active', 'inconsistent')) AS child_count
    FROM nodes c
    LEFT JOIN rollups b ON b.node_id = c.id
    WHERE c.state <> 'deleted'
    GROUP BY c.parent_id
) s ON s.id = d.id
WHERE d.kind = 'directory' AND d.state <> 'deleted' AND (
    (r.size_high << 30) + (r.size_bytes >> 32)
        IS NOT coalesce(s.size_high + (s.size_low >> 32), 0)
    OR r.size_bytes & 4294967295 IS NOT coalesce(s.size_low & 4294967295, 0)
    OR typeof(r.size_bytes) IS NOT 'integer'
    OR r.file_count IS NOT coalesce(s.file_count, 0)
    OR r.directory_count IS NOT coalesce(s.directory_count, 0)
    OR r.child_count IS NOT coalesce(s.child_count, 0)
)
LIMIT ?1
