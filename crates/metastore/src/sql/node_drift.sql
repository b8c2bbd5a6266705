-- A drift seen before the node's last entry says nothing new.
UPDATE filestore_nodes SET consistency_state = ?2
WHERE node_id = ?1 AND journal_id < ?3 AND state <> 'deleted'
