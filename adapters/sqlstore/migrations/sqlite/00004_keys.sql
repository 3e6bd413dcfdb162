-- +goose Up

CREATE TABLE keys (
    name        text NOT NULL PRIMARY KEY,
    fingerprint text NOT NULL,
    type        text NOT NULL,
    size        integer NOT NULL,
    created_at  integer NOT NULL
) STRICT;

-- Apart from the keys, as credentials are apart from servers.
CREATE TABLE key_texts (
    key_name text NOT NULL PRIMARY KEY REFERENCES keys (name) ON DELETE CASCADE,
    sealed   blob NOT NULL
) STRICT;

ALTER TABLE servers ADD COLUMN key_name text CONSTRAINT servers_key_fkey REFERENCES keys (name);
ALTER TABLE servers ADD COLUMN proxy_jump text CONSTRAINT servers_jump_fkey REFERENCES servers (id);
CREATE INDEX servers_of_key ON servers (key_name, name) WHERE key_name IS NOT NULL;
CREATE INDEX servers_behind ON servers (proxy_jump, name) WHERE proxy_jump IS NOT NULL;

-- One value that the master key sealed, to know it by.
CREATE TABLE master_key_check (
    one    integer NOT NULL PRIMARY KEY CHECK (one = 1),
    sealed blob NOT NULL
) STRICT;
