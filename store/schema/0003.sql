-- SPDX-License-Identifier: MIT
--
-- 0003 — seals and notices.

-- What was issued is sealed: SHA-256 over the row (store/version.c). A certificate is signed, but
-- nothing else says that the chain beside it, its dates and the number of its key are still what
-- was written. NULL: written by an older everleaf, or changed by hand on purpose.
ALTER TABLE version ADD COLUMN seal BLOB CHECK (seal IS NULL OR length(seal) = 32);

-- What the operator was told of a certificate.
-- One for each certificate. level and failed are what was told of version_id (0: of none), so that
-- nothing is told twice; next_at: no look before, 0: now.
CREATE TABLE notice (
	id           INTEGER NOT NULL PRIMARY KEY REFERENCES certificate (id) ON DELETE RESTRICT,
	version_id   INTEGER NOT NULL DEFAULT 0,
	level        INTEGER NOT NULL DEFAULT 0 CHECK (level BETWEEN 0 AND 3),
	failed       INTEGER NOT NULL DEFAULT 0 CHECK (failed IN (0, 1)),
	told_at      INTEGER NOT NULL DEFAULT 0,
	owner        TEXT NOT NULL DEFAULT '',
	fence        INTEGER NOT NULL DEFAULT 0,
	attempts     INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
	failures     INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0),
	next_at      INTEGER NOT NULL DEFAULT 0,
	err_code     TEXT NOT NULL DEFAULT 'none',
	err_type     TEXT NOT NULL DEFAULT '',
	err_text     TEXT NOT NULL DEFAULT '',
	err_retry_at INTEGER NOT NULL DEFAULT 0,
	error_at     INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX notice_next ON notice (next_at);

INSERT INTO notice (id) SELECT id FROM certificate;
