-- SPDX-License-Identifier: MIT
--
-- 0004 — what a configuration file can say of a certificate, and what the schedule heeds.

-- optional: of the names, those that may be left out when they fail. accounts: ids, the preferred
-- one first; '': account_id alone. account_id is the one in use, and moved_at when that was changed
-- because a CA failed. dropped_at: the file that made it says nothing of it any more.
ALTER TABLE certificate ADD COLUMN optional TEXT NOT NULL DEFAULT '';
ALTER TABLE certificate ADD COLUMN accounts TEXT NOT NULL DEFAULT '';
ALTER TABLE certificate ADD COLUMN moved_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE certificate ADD COLUMN dropped_at INTEGER NOT NULL DEFAULT 0;

-- References to secrets (agent/config/secret.h), never themselves: of an external account binding,
-- and of the account's key when it exists already.
ALTER TABLE account ADD COLUMN eab_kid TEXT;
ALTER TABLE account ADD COLUMN eab_hmac_key TEXT;
ALTER TABLE account ADD COLUMN key_reference TEXT;

-- issued: versions so far, also those that are pruned. left_out: optional names that failed, and
-- left_at when they did so last.
ALTER TABLE renewal ADD COLUMN issued INTEGER NOT NULL DEFAULT 0;
ALTER TABLE renewal ADD COLUMN left_out TEXT NOT NULL DEFAULT '';
ALTER TABLE renewal ADD COLUMN left_at INTEGER NOT NULL DEFAULT 0;

UPDATE renewal SET issued = (SELECT count(*) FROM version AS v
	WHERE v.certificate_id = renewal.certificate_id);

-- When it may be deployed (agent/window.h), '': always.
ALTER TABLE target ADD COLUMN window TEXT NOT NULL DEFAULT '';

-- What target.wanted was raised to for it; a reload that began with that or more was for it, too.
ALTER TABLE deployment ADD COLUMN raised INTEGER NOT NULL DEFAULT 0;

-- A CA's limits are counted from order rows.
DROP INDEX acme_order_account;
CREATE INDEX acme_order_account ON acme_order (account_id, created_at);
