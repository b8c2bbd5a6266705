-- `r` is the row of what people wrote, `n` that of a node. A record has one of them, or both.
SELECT r.id,
       coalesce(r.namespace, (SELECT s.name FROM namespaces s WHERE s.id = n.namespace)) AS namespace,
       coalesce(r.key, CAST(n.node_id AS TEXT)) AS key, coalesce(r.metadata, '{}') AS metadata,
       r.owner, r.schema_hash, coalesce(r.version, 1) AS version,
       coalesce(r.created_at, n.made_at, n.observed_at) AS created_at,
       coalesce(r.updated_at, n.made_at, n.observed_at) AS updated_at, r.deleted_at,
       iif(r.id IS NULL, 'filestore-sync', r.created_by) AS created_by,
       iif(r.id IS NULL, 'filestore-sync', r.updated_by) AS updated_by,
       (SELECT json_group_array(t.tag ORDER BY t.tag) FROM record_tags t WHERE t.record_id = r.id)
           AS tags,
       n.node_id, n.backend_mount_id, n.path, n.kind, n.state, n.parent_id,
       n.version AS node_version, n.size_bytes, n.checksum, n.content_hash, n.node_metadata,
       n.observed_at, n.last_modified_at, n.journal_id, n.command, n.principal,
       n.consistency_state, n.consistency_checked_at, n.last_reconciled_at,
       n.reconciliation_reason, n.previous_state, n.previous_path, n.quarantine_reason,
       n.deleted_at AS node_deleted_at, n.file_type, n.uid, n.gid, n.user_name, n.group_name,
       n.mode, n.links, n.allocated_bytes, n.changed_at, n.attributes, n.storage_class,
       n.accessed_at, n.link_target, n.object_tags
