INSERT INTO journal_meta (
    only_row, epoch, head_id, head_digest, trimmed_id, trimmed_digest, next_node_id, created_at
) VALUES (1, ?1, 0, ?2, 0, ?2, 1, ?3)
