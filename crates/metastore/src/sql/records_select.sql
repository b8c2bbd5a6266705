SELECT r.id, r.namespace, r.key, r.metadata, r.owner, r.schema_hash, r.version, r.created_at,
       r.updated_at, r.deleted_at, r.created_by, r.updated_by,
       (SELECT json_group_array(t.tag ORDER BY t.tag) FROM record_tags t WHERE t.record_id = r.id)
           AS tags,
       n.node_id, n.backend_mount_id, n.path, n.kind, n.state, n.parent_id,
       n.version AS node_version, n.size_bytes, n.checksum, n.content_hash, n.node_metadata,
       n.observed_at, n.last_modified_at, n.journal_id, n.command, n.principal,
       n.consistency_state, n.consistency_checked_at, n.last_reconciled_at,
       n.reconciliation_reason, n.previous_state, n.previous_path, n.quarantine_reason,
       n.deleted_at AS node_deleted_at, n.file_type, n.uid, n.gid, n.user_name, n.group_name,
       n.mode, n.links, n.allocated_bytes, n.changed_at, n.attributes, n.storage_class
