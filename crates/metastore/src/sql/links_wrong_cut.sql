-- A node lies where its record lies, and its record has the node's id as its key.
UPDATE filestore_nodes
SET namespace = (
    SELECT s.id
    FROM records r JOIN namespaces s ON s.name = r.namespace
    WHERE r.id = filestore_nodes.record_id
)
WHERE record_id IS NOT NULL
    AND EXISTS (
        SELECT 1
        FROM records r JOIN namespaces s ON s.name = r.namespace
        WHERE r.id = filestore_nodes.record_id
            AND r.key = CAST(filestore_nodes.node_id AS TEXT)
            AND s.id IS NOT filestore_nodes.namespace
    );

UPDATE filestore_nodes SET record_id = NULL
WHERE record_id IS NOT NULL
    AND NOT EXISTS (
        SELECT 1
        FROM records r
        WHERE r.id = filestore_nodes.record_id AND r.key = CAST(filestore_nodes.node_id AS TEXT)
    );
