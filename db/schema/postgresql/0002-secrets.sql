-- Schema 2: what all servers on one database must agree on, and keep over a restart.

CREATE TABLE secrets (
	name  text COLLATE "C" PRIMARY KEY,
	value text COLLATE "C" NOT NULL CHECK (length(value) >= 32)
);
COMMENT ON TABLE secrets IS 'Drawn here, once; nobody need ever look at them. A value that is changed ends the dialogs that are under way.';
COMMENT ON COLUMN secrets.name IS 'dialog_seal: proves, in Record-Route, that a dialog began at one of these servers; the setting `secret` overrules it';

-- 244 bits of the server's strong randomness
INSERT INTO secrets (name, value) VALUES ('dialog_seal', replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''));
