-- SPDX-License-Identifier: MIT
--
-- 0003 — what was issued is sealed: SHA-256 over the row (store/version.c). A certificate is
-- signed, but nothing else says that the chain beside it, its dates and the number of its key are
-- still what was written. NULL: written by an older everleaf, or changed by hand on purpose.

ALTER TABLE version ADD COLUMN seal BLOB CHECK (seal IS NULL OR length(seal) = 32);
