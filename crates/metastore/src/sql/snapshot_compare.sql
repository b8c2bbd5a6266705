-- What a snapshot does not have was deleted before it was taken.
INSERT INTO temp.snapshot_gone (node_id)
SELECT n.node_id
FROM filestore_nodes n
WHERE n.state <> 'deleted'
    AND NOT EXISTS (SELECT 1 FROM temp.snapshot_nodes s WHERE s.node_id = n.node_id);

-- What the book has already is not written again. When the facts were observed is left out: the book
-- knows that from the entry itself.
DELETE FROM temp.snapshot_nodes
WHERE EXISTS (
    SELECT 1
    FROM filestore_nodes n
    WHERE n.node_id = snapshot_nodes.node_id
        AND n.journal_id = snapshot_nodes.journal_id
        AND n.version = snapshot_nodes.version
        AND n.state = snapshot_nodes.state
        AND n.consistency_state = snapshot_nodes.consistency_state
        AND n.kind = snapshot_nodes.kind
        AND n.backend_mount_id = snapshot_nodes.backend_mount_id
        AND n.parent_id IS snapshot_nodes.parent_id
        AND n.path = snapshot_nodes.path
        AND n.size_bytes IS snapshot_nodes.size_bytes
        AND n.checksum IS snapshot_nodes.checksum
        AND n.content_hash IS snapshot_nodes.content_hash
        AND n.last_modified_at IS snapshot_nodes.last_modified_at
        AND n.file_type IS coalesce(snapshot_nodes.file_type, n.file_type)
        AND n.uid IS coalesce(snapshot_nodes.uid, n.uid)
        AND n.gid IS coalesce(snapshot_nodes.gid, n.gid)
        AND n.user_name IS coalesce(snapshot_nodes.user_name, n.user_name)
        AND n.group_name IS coalesce(snapshot_nodes.group_name, n.group_name)
        AND n.mode IS coalesce(snapshot_nodes.mode, n.mode)
        AND n.links IS coalesce(snapshot_nodes.links, n.links)
        AND n.allocated_bytes IS coalesce(snapshot_nodes.allocated_bytes, n.allocated_bytes)
        AND n.changed_at IS coalesce(snapshot_nodes.changed_at, n.changed_at)
        AND n.storage_class IS coalesce(snapshot_nodes.storage_class, n.storage_class)
        AND n.attributes IS snapshot_nodes.attributes
        AND n.accessed_at IS snapshot_nodes.accessed_at
        AND n.link_target IS snapshot_nodes.link_target
        AND n.object_tags IS snapshot_nodes.object_tags
        AND n.node_metadata = snapshot_nodes.node_metadata
);
