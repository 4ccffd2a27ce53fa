-- The bucket (0 to 99) of each user, in DuckDB. Whoever has bucket < share is in the cohort.
-- Replace the stack, the service (chime or websocket) and the table.
SELECT
    user_id,
    CAST(floor(
        CAST('0x' || substr(sha256(
            concat('whatschat-production', chr(10), 'chime', chr(10), user_id)
        ), 1, 8) AS BIGINT) * 100 / 4294967296e0
    ) AS BIGINT) AS bucket
FROM users
