-- SPDX-License-Identifier: MIT
--
-- 0001 — the first schema of everleaf.db.
--
-- Times are Unix seconds, 0 for "none". Ids come from counter and are never used twice, so a
-- column that only remembers (an event's order, a version's order, an order's version) needs no
-- foreign key: what it names may be pruned first, and nothing else ever gets that id. Key ids
-- name rows of keys.db.

CREATE TABLE meta (
	id   INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
	seed BLOB NOT NULL CHECK (length(seed) = 32)
) STRICT;

INSERT INTO meta (id, seed) VALUES (1, randomblob(32));

CREATE TABLE counter (
	name TEXT NOT NULL PRIMARY KEY,
	last INTEGER NOT NULL DEFAULT 0 CHECK (last >= 0)
) STRICT;

INSERT INTO counter (name) VALUES
	('account'), ('certificate'), ('acme_order'), ('challenge'), ('version'), ('target'),
	('deployment'), ('event');

CREATE TABLE account (
	id           INTEGER NOT NULL PRIMARY KEY CHECK (id > 0),
	server       TEXT NOT NULL,
	entry        TEXT NOT NULL,
	contact      TEXT NOT NULL,
	agreed       INTEGER NOT NULL CHECK (agreed IN (0, 1)),
	ca_bundle    TEXT,
	proxy        TEXT,
	key_id       INTEGER,
	url          TEXT,
	stage        TEXT NOT NULL CHECK (stage IN ('key', 'register', 'ready', 'dead')),
	owner        TEXT NOT NULL DEFAULT '',
	fence        INTEGER NOT NULL DEFAULT 0,
	attempts     INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
	failures     INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0),
	next_at      INTEGER NOT NULL DEFAULT 0,
	err_code     TEXT NOT NULL DEFAULT 'none',
	err_type     TEXT NOT NULL DEFAULT '',
	err_text     TEXT NOT NULL DEFAULT '',
	err_retry_at INTEGER NOT NULL DEFAULT 0,
	error_at     INTEGER NOT NULL DEFAULT 0,
	UNIQUE (server, entry)
) STRICT;

CREATE INDEX account_key ON account (key_id);

CREATE TABLE certificate (
	id              INTEGER NOT NULL PRIMARY KEY CHECK (id > 0),
	name            TEXT NOT NULL,
	origin          TEXT NOT NULL,
	names           TEXT NOT NULL,
	wish            TEXT NOT NULL,
	account_id      INTEGER NOT NULL REFERENCES account (id) ON DELETE RESTRICT,
	live_version_id INTEGER REFERENCES version (id) ON DELETE RESTRICT,
	paused          INTEGER NOT NULL CHECK (paused IN (0, 1)),
	removed_at      INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX certificate_name ON certificate (name) WHERE removed_at = 0;
CREATE INDEX certificate_account ON certificate (account_id);
CREATE INDEX certificate_live_version ON certificate (live_version_id);

CREATE TABLE renewal (
	certificate_id INTEGER NOT NULL PRIMARY KEY REFERENCES certificate (id) ON DELETE RESTRICT,
	failures       INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0),
	next_at        INTEGER NOT NULL DEFAULT 0,
	err_code       TEXT NOT NULL DEFAULT 'none',
	err_type       TEXT NOT NULL DEFAULT '',
	err_text       TEXT NOT NULL DEFAULT '',
	err_retry_at   INTEGER NOT NULL DEFAULT 0,
	error_at       INTEGER NOT NULL DEFAULT 0,
	succeeded_at   INTEGER NOT NULL DEFAULT 0
) STRICT;

-- "order" is a keyword of SQL.
CREATE TABLE acme_order (
	id             INTEGER NOT NULL PRIMARY KEY CHECK (id > 0),
	certificate_id INTEGER NOT NULL REFERENCES certificate (id) ON DELETE RESTRICT,
	account_id     INTEGER NOT NULL REFERENCES account (id) ON DELETE RESTRICT,
	key_id         INTEGER NOT NULL,
	key_kind       TEXT NOT NULL,
	key_hash       BLOB NOT NULL CHECK (length(key_hash) = 32),
	names          TEXT NOT NULL,
	wish           TEXT NOT NULL,
	replaces       TEXT,
	csr            BLOB NOT NULL CHECK (length(csr) <= 65536),
	url            TEXT,
	stage          TEXT NOT NULL CHECK (stage IN
		('new', 'authorize', 'present', 'withdraw', 'done', 'failed')),
	hooked         INTEGER NOT NULL CHECK (hooked IN (0, 1)),
	version_id     INTEGER,
	created_at     INTEGER NOT NULL,
	ended_at       INTEGER NOT NULL,
	owner          TEXT NOT NULL DEFAULT '',
	fence          INTEGER NOT NULL DEFAULT 0,
	attempts       INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
	failures       INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0),
	next_at        INTEGER NOT NULL DEFAULT 0,
	err_code       TEXT NOT NULL DEFAULT 'none',
	err_type       TEXT NOT NULL DEFAULT '',
	err_text       TEXT NOT NULL DEFAULT '',
	err_retry_at   INTEGER NOT NULL DEFAULT 0,
	error_at       INTEGER NOT NULL DEFAULT 0,
	CHECK ((stage IN ('done', 'failed')) = (ended_at <> 0))
) STRICT;

CREATE UNIQUE INDEX acme_order_live ON acme_order (certificate_id, key_kind) WHERE ended_at = 0;
CREATE UNIQUE INDEX acme_order_url ON acme_order (url) WHERE ended_at = 0;
CREATE INDEX acme_order_certificate ON acme_order (certificate_id);
CREATE INDEX acme_order_account ON acme_order (account_id);
CREATE INDEX acme_order_key ON acme_order (key_id);

CREATE TABLE challenge (
	id                INTEGER NOT NULL PRIMARY KEY CHECK (id > 0),
	order_id          INTEGER NOT NULL REFERENCES acme_order (id) ON DELETE RESTRICT,
	authorization_url TEXT NOT NULL,
	identifier        TEXT NOT NULL,
	wildcard          INTEGER NOT NULL CHECK (wildcard IN (0, 1)),
	type              TEXT NOT NULL,
	url               TEXT NOT NULL,
	token             TEXT NOT NULL,
	solver            TEXT NOT NULL,
	withdrawn         INTEGER NOT NULL CHECK (withdrawn IN (0, 1)),
	UNIQUE (order_id, authorization_url)
) STRICT;

CREATE INDEX challenge_published ON challenge (token) WHERE withdrawn = 0;

CREATE TABLE version (
	id             INTEGER NOT NULL PRIMARY KEY CHECK (id > 0),
	certificate_id INTEGER NOT NULL REFERENCES certificate (id) ON DELETE RESTRICT,
	order_id       INTEGER,
	key_id         INTEGER NOT NULL,
	key_kind       TEXT NOT NULL,
	serial         TEXT NOT NULL,
	issuer         TEXT NOT NULL,
	fingerprint    TEXT NOT NULL,
	ari_id         TEXT,
	names          TEXT NOT NULL,
	not_before     INTEGER NOT NULL,
	not_after      INTEGER NOT NULL,
	leaf           TEXT NOT NULL,
	chain          TEXT NOT NULL,
	created_at     INTEGER NOT NULL
) STRICT;

CREATE INDEX version_certificate ON version (certificate_id);
CREATE INDEX version_key ON version (key_id);

CREATE TABLE target (
	id           INTEGER NOT NULL PRIMARY KEY CHECK (id > 0),
	deployer     TEXT NOT NULL,
	settings     TEXT NOT NULL,
	wanted       INTEGER NOT NULL DEFAULT 0 CHECK (wanted >= 0),
	done         INTEGER NOT NULL DEFAULT 0 CHECK (done >= 0 AND done <= wanted),
	owner        TEXT NOT NULL DEFAULT '',
	fence        INTEGER NOT NULL DEFAULT 0,
	attempts     INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
	failures     INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0),
	next_at      INTEGER NOT NULL DEFAULT 0,
	err_code     TEXT NOT NULL DEFAULT 'none',
	err_type     TEXT NOT NULL DEFAULT '',
	err_text     TEXT NOT NULL DEFAULT '',
	err_retry_at INTEGER NOT NULL DEFAULT 0,
	error_at     INTEGER NOT NULL DEFAULT 0,
	UNIQUE (deployer, settings)
) STRICT;

CREATE TABLE deployment (
	id             INTEGER NOT NULL PRIMARY KEY CHECK (id > 0),
	certificate_id INTEGER NOT NULL REFERENCES certificate (id) ON DELETE RESTRICT,
	version_id     INTEGER NOT NULL REFERENCES version (id) ON DELETE RESTRICT,
	target_id      INTEGER NOT NULL REFERENCES target (id) ON DELETE RESTRICT,
	position       INTEGER NOT NULL,
	stage          TEXT NOT NULL CHECK (stage IN ('due', 'reload', 'done', 'superseded')),
	created_at     INTEGER NOT NULL,
	ended_at       INTEGER NOT NULL,
	owner          TEXT NOT NULL DEFAULT '',
	fence          INTEGER NOT NULL DEFAULT 0,
	attempts       INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
	failures       INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0),
	next_at        INTEGER NOT NULL DEFAULT 0,
	err_code       TEXT NOT NULL DEFAULT 'none',
	err_type       TEXT NOT NULL DEFAULT '',
	err_text       TEXT NOT NULL DEFAULT '',
	err_retry_at   INTEGER NOT NULL DEFAULT 0,
	error_at       INTEGER NOT NULL DEFAULT 0,
	CHECK ((stage IN ('done', 'superseded')) = (ended_at <> 0))
) STRICT;

CREATE INDEX deployment_live ON deployment (certificate_id) WHERE ended_at = 0;
CREATE INDEX deployment_certificate ON deployment (certificate_id);
CREATE INDEX deployment_version ON deployment (version_id, position);
CREATE INDEX deployment_target ON deployment (target_id);

CREATE TABLE event (
	id             INTEGER NOT NULL PRIMARY KEY CHECK (id > 0),
	at             INTEGER NOT NULL,
	certificate_id INTEGER NOT NULL,
	order_id       INTEGER NOT NULL,
	kind           TEXT NOT NULL,
	text           TEXT NOT NULL
) STRICT;

CREATE INDEX event_certificate ON event (certificate_id, id);

CREATE TABLE directory (
	server  TEXT NOT NULL PRIMARY KEY,
	body    TEXT NOT NULL,
	read_at INTEGER NOT NULL
) STRICT;
