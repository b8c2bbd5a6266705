SELECT namespace, owner, count(*) AS records
FROM records
WHERE owner IS NOT NULL AND namespace >= ?1 AND namespace < ?2
GROUP BY namespace, owner
ORDER BY namespace, records DESC, owner
