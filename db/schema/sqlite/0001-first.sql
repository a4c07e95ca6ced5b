-- Schema 1: domains, users, registered contacts. The table schema_version is made by `siparioctl db migrate` itself.
--
-- Domains and host names are kept in lower case (RFC 3261 §19.1.4: they compare without case; the user part compares with it).
-- Times are seconds since 1970. These tables are an operator's to edit with SQL: the constraints refuse what the server could not use.

-- Domains that this server is responsible for: everybody else's requests are only relayed for our own users.
CREATE TABLE domains (
	name    TEXT PRIMARY KEY
	        CHECK (name <> '' AND name = lower(name) AND length(name) <= 253),
	created INTEGER NOT NULL DEFAULT (unixepoch())
) STRICT, WITHOUT ROWID;

-- User profiles. No password is kept, only H(name:domain:password) (RFC 7616 §3.4.2), so that a change of name or domain
-- needs a new password too.
CREATE TABLE users (
	id                INTEGER PRIMARY KEY,
	name              TEXT NOT NULL CHECK (name <> ''),
	domain            TEXT NOT NULL REFERENCES domains (name) ON DELETE RESTRICT ON UPDATE RESTRICT,
	ha1_md5           TEXT CHECK (length(ha1_md5) = 32 AND ha1_md5 NOT GLOB '*[^0-9a-f]*'),
	ha1_sha256        TEXT CHECK (length(ha1_sha256) = 64 AND ha1_sha256 NOT GLOB '*[^0-9a-f]*'),
	status            TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'disabled')),
	display_name      TEXT NOT NULL DEFAULT '',
	-- how long a phone rings before forward_no_answer; NULL: as the routing script says
	ring_time         INTEGER CHECK (ring_time BETWEEN 1 AND 180),
	-- URIs; NULL: no such forwarding
	forward_always    TEXT CHECK (forward_always LIKE 'sip:%' OR forward_always LIKE 'sips:%' OR forward_always LIKE 'tel:%'),
	forward_busy      TEXT CHECK (forward_busy LIKE 'sip:%' OR forward_busy LIKE 'sips:%' OR forward_busy LIKE 'tel:%'),
	forward_no_answer TEXT CHECK (forward_no_answer LIKE 'sip:%' OR forward_no_answer LIKE 'sips:%' OR forward_no_answer LIKE 'tel:%'),
	forward_offline   TEXT CHECK (forward_offline LIKE 'sip:%' OR forward_offline LIKE 'sips:%' OR forward_offline LIKE 'tel:%'),
	created           INTEGER NOT NULL DEFAULT (unixepoch()),
	UNIQUE (name, domain)
) STRICT;

-- for the check of the foreign key when a domain is removed, and to list a domain's users
CREATE INDEX users_domain ON users (domain);

-- Registered contacts (RFC 3261 §10), written by the server, read when it starts. One row a contact of an address-of-record.
-- No reference to users: an address-of-record need not be a user's.
CREATE TABLE bindings (
	aor          TEXT NOT NULL,
	contact      TEXT NOT NULL,               -- URI, as the phone wrote it
	instance     TEXT NOT NULL DEFAULT '',    -- +sip.instance (RFC 5626 §4.1), empty: none
	reg_id       INTEGER NOT NULL DEFAULT 0,  -- reg-id (RFC 5626 §4.2), 0: none
	call_id      TEXT NOT NULL,
	cseq         INTEGER NOT NULL,
	q            INTEGER NOT NULL DEFAULT 1000 CHECK (q BETWEEN 0 AND 1000),  -- thousandths
	expires_unix INTEGER NOT NULL,
	path         TEXT NOT NULL DEFAULT '',    -- Path (RFC 3327), empty: none
	user_agent   TEXT NOT NULL DEFAULT '',
	received     TEXT NOT NULL DEFAULT '',    -- where the REGISTER came from: "udp:192.0.2.1:5060"
	via          TEXT NOT NULL DEFAULT '',    -- our socket it came through: "udp:192.0.2.9:5060"
	PRIMARY KEY (aor, contact)
) STRICT, WITHOUT ROWID;

-- to remove what has expired
CREATE INDEX bindings_expires ON bindings (expires_unix);
