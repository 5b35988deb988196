-- What a sweep has tried and left waits for its next try behind what nobody has tried: in the order of these.
CREATE INDEX files_by_retry ON files (scope, retry_at) WHERE retry_at IS NOT NULL;
CREATE INDEX files_failing ON files (scope, retry_at) WHERE failures > 0;
