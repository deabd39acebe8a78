-- SPDX-License-Identifier: MIT
--
-- keys-0001 — the first schema of keys.db.
--
-- unnamed_since: when a look at everleaf.db first found no row that names the key (or when it was
-- made), 0 while one does. A key is erased a day after that.

CREATE TABLE counter (
	name TEXT NOT NULL PRIMARY KEY,
	last INTEGER NOT NULL DEFAULT 0 CHECK (last >= 0)
) STRICT;

INSERT INTO counter (name) VALUES ('key');

CREATE TABLE key (
	id            INTEGER NOT NULL PRIMARY KEY CHECK (id > 0),
	kind          TEXT NOT NULL,
	hash          BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
	pem           BLOB NOT NULL CHECK (length(pem) <= 8192),
	created_at    INTEGER NOT NULL,
	unnamed_since INTEGER NOT NULL
) STRICT;
