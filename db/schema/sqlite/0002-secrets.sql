-- Schema 2: what all servers on one database must agree on, and keep over a restart.

-- Drawn here, once; nobody need ever look at it. A value that is changed ends the dialogs that are under way.
CREATE TABLE secrets (
	name  TEXT PRIMARY KEY,
	value TEXT NOT NULL CHECK (length(value) >= 32)
) STRICT, WITHOUT ROWID;

-- proves, in Record-Route, that a dialog began at one of these servers; the setting `secret` overrules it
INSERT INTO secrets (name, value) VALUES ('dialog_seal', lower(hex(randomblob(32))));
