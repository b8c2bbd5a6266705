SELECT
        cell,
        sum(files)::BIGINT AS files,
        sum(size_bytes)::HUGEINT AS size_bytes,
        sum(allocated_bytes)::HUGEINT AS allocated_bytes,
        min(oldest) AS oldest,
        max(newest) AS newest
    FROM counted
    GROUP BY cell