-- +goose Up

-- The defaults are for programs of the version before, which may still run beside this one and write the old columns only.
ALTER TABLE tokens
    ADD COLUMN id           text COLLATE "C" NOT NULL DEFAULT gen_random_uuid()::text CONSTRAINT tokens_id_key UNIQUE,
    ADD COLUMN created_at   timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN expires_at   timestamptz,
    ADD COLUMN last_used_at timestamptz,
    ADD CONSTRAINT tokens_role CHECK (role IN ('viewer', 'operator', 'admin'));

-- What was a token once and never lets anybody in again.
CREATE TABLE revoked_tokens (
    hash       bytea PRIMARY KEY CHECK (length(hash) = 32),
    revoked_at timestamptz NOT NULL
);

-- Browsers that are signed in, and the codes of sign-in addresses.
CREATE TABLE passes (
    hash       bytea PRIMARY KEY CHECK (length(hash) = 32),
    kind       text NOT NULL CHECK (kind IN ('session', 'code')),
    token_id   text COLLATE "C" NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX passes_token ON passes (token_id);
CREATE INDEX passes_expiring ON passes (expires_at);
