INSERT INTO tidemark.fields (dataset_id, position, name, type)
SELECT $1, count(*), $2, $3 FROM tidemark.fields WHERE dataset_id = $1
