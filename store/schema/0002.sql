-- SPDX-License-Identifier: MIT
--
-- 0002 — renewal information (RFC 9773), and when to look at a certificate again.

-- Which account it was issued for: `replaces` is for that one only. 0: it is not known any more.
ALTER TABLE version ADD COLUMN account_id INTEGER NOT NULL DEFAULT 0;

UPDATE version SET account_id = coalesce(
	(SELECT o.account_id FROM acme_order AS o WHERE o.id = version.order_id), 0);

-- No look before, 0: now. Derived: everything that the schedule depends on sets it to 0 when it
-- changes, and a look that finds nothing to do sets it anew.
ALTER TABLE renewal ADD COLUMN look_at INTEGER NOT NULL DEFAULT 0;

CREATE INDEX renewal_look ON renewal (look_at);

-- One for each certificate; what it says is about version_id and void for any other.
CREATE TABLE renewal_info (
	id              INTEGER NOT NULL PRIMARY KEY REFERENCES certificate (id) ON DELETE RESTRICT,
	version_id      INTEGER NOT NULL DEFAULT 0,
	window_start    INTEGER NOT NULL DEFAULT 0,
	window_end      INTEGER NOT NULL DEFAULT 0,
	explanation_url TEXT,
	asked_at        INTEGER NOT NULL DEFAULT 0,
	refused         INTEGER NOT NULL DEFAULT 0 CHECK (refused IN (0, 1)),
	owner           TEXT NOT NULL DEFAULT '',
	fence           INTEGER NOT NULL DEFAULT 0,
	attempts        INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
	failures        INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0),
	next_at         INTEGER NOT NULL DEFAULT 0,
	err_code        TEXT NOT NULL DEFAULT 'none',
	err_type        TEXT NOT NULL DEFAULT '',
	err_text        TEXT NOT NULL DEFAULT '',
	err_retry_at    INTEGER NOT NULL DEFAULT 0,
	error_at        INTEGER NOT NULL DEFAULT 0,
	CHECK (window_end = 0 OR window_end > window_start)
) STRICT;

INSERT INTO renewal_info (id) SELECT id FROM certificate;
