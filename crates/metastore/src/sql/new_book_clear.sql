DELETE FROM temp.new_nodes;
DELETE FROM temp.new_dead_letters;
DELETE FROM temp.carried;
DROP INDEX IF EXISTS temp.new_nodes_path;
