-- SPDX-License-Identifier: MIT
--
-- 0005 — what CAs say in another order, and what was believed without asking.

-- Why an attempt ended, in a word of our own (base/err.h), '': what the error says. err_type is the
-- CA's text alone from now on.
ALTER TABLE acme_order ADD COLUMN err_cause TEXT NOT NULL DEFAULT '';

UPDATE acme_order SET err_cause = err_type, err_type = '' WHERE err_type = 'interrupted';

-- The CA has issued, or was about to, be it to nobody's use: what was refused counts for its limits.
ALTER TABLE acme_order ADD COLUMN issued INTEGER NOT NULL DEFAULT 0 CHECK (issued IN (0, 1));

-- By which of its CA's profiles it was made, NULL: not known.
ALTER TABLE version ADD COLUMN profile TEXT;

-- replaced: orders in a row that another one took the place of at once, since the last end.
ALTER TABLE renewal ADD COLUMN replaced INTEGER NOT NULL DEFAULT 0;

-- shown_by: the process whose answers the CA was or may have been told of; they are alive as long as
-- it is, also while nobody works on the order. processing_at: since when the CA is issuing.
ALTER TABLE acme_order ADD COLUMN shown_by TEXT NOT NULL DEFAULT '';
ALTER TABLE acme_order ADD COLUMN processing_at INTEGER NOT NULL DEFAULT 0;

-- What files define still, found among very many that commands made.
CREATE INDEX certificate_of_file ON certificate (name)
	WHERE removed_at = 0 AND dropped_at = 0 AND origin <> 'command';

-- begun: what wanted was when a reload began whose end was not heard, 0: there is none. Such reloads
-- in a row are its failures, and there is no other one before next_at.
ALTER TABLE target ADD COLUMN begun INTEGER NOT NULL DEFAULT 0;

-- What a CA says of an account that it had. doubt: where an account really is whose stage is 'ready',
-- '': there. confirmed: how often the CA has said that it has it; checked_at: when it was last asked
-- because it had refused a request, 0: never.
ALTER TABLE account ADD COLUMN doubt TEXT NOT NULL DEFAULT ''
	CHECK (doubt IN ('', 'check', 'refused'));
ALTER TABLE account ADD COLUMN confirmed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN checked_at INTEGER NOT NULL DEFAULT 0;

-- renews: the schedule asked for the order, and neither a person nor another wish. exempt: what it
-- replaces was in the window of the CA's advice, so that the CA's limits did not count it.
ALTER TABLE acme_order ADD COLUMN renews INTEGER NOT NULL DEFAULT 1 CHECK (renews IN (0, 1));
ALTER TABLE acme_order ADD COLUMN exempt INTEGER NOT NULL DEFAULT 0 CHECK (exempt IN (0, 1));

UPDATE acme_order SET exempt = 1 WHERE replaces IS NOT NULL;

-- hasty: versions in a row that were due when they were issued. urgent: the CA's advice is to
-- replace the version at once, because it was revoked or soon will be.
ALTER TABLE renewal ADD COLUMN hasty INTEGER NOT NULL DEFAULT 0 CHECK (hasty >= 0);
ALTER TABLE renewal_info ADD COLUMN urgent INTEGER NOT NULL DEFAULT 0 CHECK (urgent IN (0, 1));

-- contact is what the operator wants. contact_told: what the CA has accepted last, NULL: nothing yet;
-- contact_kept: what its last answer said that it has, NULL: it did not say.
ALTER TABLE account ADD COLUMN contact_told TEXT;
ALTER TABLE account ADD COLUMN contact_kept TEXT;
