SELECT id, partition_key, epoch_ms(start_at), epoch_ms(end_at), row_count, epoch_ms(ingested_at), coalesce(byte_count, 0)
FROM tidemark.partitions
WHERE dataset_id = ?
ORDER BY end_at DESC, id DESC
LIMIT ?
