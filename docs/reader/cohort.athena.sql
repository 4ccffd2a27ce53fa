-- The bucket (0 to 99) of each user, in Athena (engine version 3). Whoever has bucket < share is in the cohort.
-- Replace the stack, the service (chime or websocket) and the table.
SELECT
    user_id,
    CAST(floor(
        from_base(substr(to_hex(sha256(to_utf8(
            concat('whatschat-production', chr(10), 'chime', chr(10), user_id)
        ))), 1, 8), 16) * 100 / 4294967296e0
    ) AS BIGINT) AS bucket
FROM users
