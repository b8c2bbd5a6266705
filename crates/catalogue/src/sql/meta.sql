SELECT epoch, head_id, head_digest, trimmed_id, trimmed_digest, next_node_id
FROM journal_meta
WHERE only_row = 1
