UPDATE journal_meta SET head_id = ?1, head_digest = ?2, next_node_id = max(next_node_id, ?3)
WHERE only_row = 1
