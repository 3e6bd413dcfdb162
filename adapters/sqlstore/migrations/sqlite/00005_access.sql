-- +goose Up

CREATE TABLE tokens_now (
    hash         blob NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    id           text NOT NULL CONSTRAINT tokens_id_key UNIQUE,
    name         text NOT NULL CONSTRAINT tokens_name_key UNIQUE,
    role         text NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
    created_at   integer NOT NULL,
    expires_at   integer,
    last_used_at integer
) STRICT;
INSERT INTO tokens_now (hash, id, name, role, created_at)
SELECT hash,
    substr(r, 1, 8) || '-' || substr(r, 9, 4) || '-' || substr(r, 13, 4) || '-' || substr(r, 17, 4) || '-' || substr(r, 21, 12),
    name, role, CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000
FROM (SELECT hash, name, role, lower(hex(randomblob(16))) AS r FROM tokens);
DROP TABLE tokens;
ALTER TABLE tokens_now RENAME TO tokens;

-- What was a token once and never lets anybody in again.
CREATE TABLE revoked_tokens (
    hash       blob NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    revoked_at integer NOT NULL
) STRICT;

-- Browsers that are signed in, and the codes of sign-in addresses.
CREATE TABLE passes (
    hash       blob NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    kind       text NOT NULL CHECK (kind IN ('session', 'code')),
    token_id   text NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
    created_at integer NOT NULL,
    expires_at integer NOT NULL
) STRICT;
CREATE INDEX passes_token ON passes (token_id);
CREATE INDEX passes_expiring ON passes (expires_at);
