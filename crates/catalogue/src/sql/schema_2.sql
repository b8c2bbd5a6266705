-- Few nodes are directories, and few are deleted: listings of those need not go through the others.
CREATE INDEX nodes_directories ON nodes (mount_id, path)
WHERE kind = 'directory' AND state <> 'deleted';
CREATE INDEX nodes_deleted ON nodes (mount_id, path) WHERE state = 'deleted';
