{parts}

-- By class of size, so that the quantiles are those of the classes.
classes AS (
    SELECT
        {names},
        size_class,
        sum(files)::BIGINT AS files,
        sum(size_bytes)::HUGEINT AS size_bytes,
        sum(allocated_bytes)::HUGEINT AS allocated_bytes,
        min(oldest) AS oldest,
        max(newest) AS newest
    FROM parts
    GROUP BY ALL
),

ranked AS (
    SELECT
        *,
        sum(files) OVER (PARTITION BY {names} ORDER BY size_class) AS upto,
        sum(files) OVER (PARTITION BY {names}) AS total,
        size_bytes // files AS mean_bytes
    FROM classes
),

groups AS (
    SELECT
        {shown},
        sum(size_bytes)::HUGEINT AS "sizeBytes",
        sum(allocated_bytes)::HUGEINT AS "allocatedBytes",
        sum(files)::BIGINT AS files,
        min(oldest) AS oldest,
        max(newest) AS newest,
        (arg_min(mean_bytes, size_class) FILTER (WHERE upto * 2 >= total))::HUGEINT AS "p50Bytes",
        (arg_min(mean_bytes, size_class) FILTER (WHERE upto * 10 >= total * 9))::HUGEINT AS "p90Bytes",
        (arg_min(mean_bytes, size_class) FILTER (WHERE upto * 100 >= total * 99))::HUGEINT AS "p99Bytes"
    FROM ranked
    GROUP BY ALL
)

FROM groups
WHERE {after}
ORDER BY "sizeBytes" DESC NULLS LAST, {order}
LIMIT $limit
