-- Schema 3: all that an operator provisions, and the record of calls. Times of calls are milliseconds since 1970, all others seconds.

-- 1: no call reaches the user, but for the forwardings
ALTER TABLE users ADD COLUMN do_not_disturb INTEGER NOT NULL DEFAULT 0 CHECK (do_not_disturb IN (0, 1));
-- URI where callers may leave a message; NULL: none
ALTER TABLE users ADD COLUMN voicemail TEXT CHECK (voicemail LIKE 'sip:%' OR voicemail LIKE 'sips:%' OR voicemail LIKE 'tel:%');
-- limits; NULL: as the server's settings say
ALTER TABLE users ADD COLUMN max_contacts INTEGER CHECK (max_contacts BETWEEN 1 AND 100);
ALTER TABLE users ADD COLUMN max_calls INTEGER CHECK (max_calls BETWEEN 0 AND 10000);

-- Whatever else a routing script or a phone's set-up wants to know of a user.
CREATE TABLE preferences (
	user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	name    TEXT NOT NULL CHECK (name <> ''),
	value   TEXT NOT NULL,
	PRIMARY KEY (user_id, name)
) STRICT, WITHOUT ROWID;

-- Further addresses of a user: sales@example.org, or a number in our domain.
CREATE TABLE aliases (
	name    TEXT NOT NULL CHECK (name <> ''),
	domain  TEXT NOT NULL REFERENCES domains (name) ON DELETE RESTRICT ON UPDATE RESTRICT,
	user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	PRIMARY KEY (name, domain)
) STRICT, WITHOUT ROWID;
CREATE INDEX aliases_user ON aliases (user_id);
CREATE INDEX aliases_domain ON aliases (domain);

-- One address, one meaning.
CREATE TRIGGER aliases_are_no_users BEFORE INSERT ON aliases
WHEN EXISTS (SELECT 1 FROM users WHERE name = NEW.name AND domain = NEW.domain)
BEGIN SELECT RAISE(ABORT, 'an alias may not be the address of a user'); END;
CREATE TRIGGER aliases_become_no_users BEFORE UPDATE OF name, domain ON aliases
WHEN EXISTS (SELECT 1 FROM users WHERE name = NEW.name AND domain = NEW.domain)
BEGIN SELECT RAISE(ABORT, 'an alias may not be the address of a user'); END;
CREATE TRIGGER users_are_no_aliases BEFORE INSERT ON users
WHEN EXISTS (SELECT 1 FROM aliases WHERE name = NEW.name AND domain = NEW.domain)
BEGIN SELECT RAISE(ABORT, 'a user may not have the address of an alias'); END;
CREATE TRIGGER users_become_no_aliases BEFORE UPDATE OF name, domain ON users
WHEN EXISTS (SELECT 1 FROM aliases WHERE name = NEW.name AND domain = NEW.domain)
BEGIN SELECT RAISE(ABORT, 'a user may not have the address of an alias'); END;

-- What kinds of calls there are, and by what a number belongs to one: the longest prefix counts.
CREATE TABLE call_classes (
	name TEXT PRIMARY KEY CHECK (name <> '' AND name = lower(name)),
	help TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;
INSERT INTO call_classes (name, help) VALUES
	('emergency', 'free to everybody, always'), ('local', 'within the area'), ('national', 'within the country'), ('mobile', 'to mobile phones'),
	('international', 'abroad'), ('premium', 'numbers that cost extra');
CREATE TABLE call_prefixes (
	prefix TEXT PRIMARY KEY CHECK (prefix <> '' AND prefix NOT GLOB '?*[^0-9*#]*' AND substr(prefix, 1, 1) GLOB '[+0-9*#]'),
	class  TEXT NOT NULL REFERENCES call_classes (name) ON DELETE RESTRICT ON UPDATE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX call_prefixes_class ON call_prefixes (class);

-- Who may make which calls: by himself, or by a group he is in.
CREATE TABLE groups (
	name TEXT PRIMARY KEY CHECK (name <> ''),
	help TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;
CREATE TABLE group_members (
	group_name TEXT NOT NULL REFERENCES groups (name) ON DELETE CASCADE ON UPDATE CASCADE,
	user_id    INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	PRIMARY KEY (group_name, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX group_members_user ON group_members (user_id);
CREATE TABLE group_permissions (
	group_name TEXT NOT NULL REFERENCES groups (name) ON DELETE CASCADE ON UPDATE CASCADE,
	class      TEXT NOT NULL REFERENCES call_classes (name) ON DELETE RESTRICT ON UPDATE CASCADE,
	PRIMARY KEY (group_name, class)
) STRICT, WITHOUT ROWID;
CREATE TABLE user_permissions (
	user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	class   TEXT NOT NULL REFERENCES call_classes (name) ON DELETE RESTRICT ON UPDATE CASCADE,
	PRIMARY KEY (user_id, class)
) STRICT, WITHOUT ROWID;

-- Peers that need no password, by where their requests come from.
CREATE TABLE trusted_peers (
	network TEXT PRIMARY KEY CHECK (network GLOB '*[0-9a-f:]/[0-9]*' AND network NOT GLOB '*[^0-9a-f:./]*'),  -- 192.0.2.0/24, 2001:db8::/32
	name    TEXT NOT NULL CHECK (name <> ''),
	status  TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'disabled')),
	help    TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;

-- One row a call, also missed and failed ones, written by the server.
CREATE TABLE calls (
	id        TEXT PRIMARY KEY CHECK (id <> ''),  -- drawn by the server, so that a record is written once
	call_id   TEXT NOT NULL,
	from_tag  TEXT NOT NULL DEFAULT '',
	to_tag    TEXT NOT NULL DEFAULT '',           -- of the answer; empty: none
	caller    TEXT NOT NULL,                      -- sip:alice@example.org
	callee    TEXT NOT NULL,                      -- whom the caller asked for
	target    TEXT NOT NULL DEFAULT '',           -- where it was answered, or last tried
	source    TEXT NOT NULL DEFAULT '',           -- where the INVITE came from: udp:192.0.2.1:5060
	start_ms  INTEGER NOT NULL,
	answer_ms INTEGER CHECK (answer_ms >= start_ms),                     -- NULL: never answered
	end_ms    INTEGER CHECK (end_ms >= coalesce(answer_ms, start_ms)),   -- NULL: still under way
	ended_by  TEXT CHECK (ended_by IN ('caller', 'callee', 'server')),
	code      INTEGER NOT NULL CHECK (code BETWEEN 100 AND 699),         -- the final response
	reason    TEXT NOT NULL DEFAULT '',
	route     TEXT NOT NULL DEFAULT ''            -- the ways that were tried
) STRICT;
CREATE INDEX calls_start ON calls (start_ms);
CREATE INDEX calls_caller ON calls (caller, start_ms);
CREATE INDEX calls_callee ON calls (callee, start_ms);

-- For operators: no view shows a digest.
CREATE VIEW user_overview AS
	SELECT u.name || '@' || u.domain AS address, u.display_name, u.status, u.do_not_disturb,
	       (SELECT count(*) FROM bindings b WHERE b.aor = 'sip:' || u.name || '@' || u.domain AND b.expires_unix > unixepoch()) AS contacts,
	       (SELECT count(*) FROM aliases a WHERE a.user_id = u.id) AS aliases,
	       u.ha1_md5 IS NOT NULL AS md5, u.ha1_sha256 IS NOT NULL AS sha256, datetime(u.created, 'unixepoch') AS created
	FROM users u;
CREATE VIEW forwardings AS
	SELECT name || '@' || domain AS address, 'always' AS kind, forward_always AS target, NULL AS ring_time FROM users WHERE forward_always IS NOT NULL
	UNION ALL SELECT name || '@' || domain, 'busy', forward_busy, NULL FROM users WHERE forward_busy IS NOT NULL
	UNION ALL SELECT name || '@' || domain, 'no answer', forward_no_answer, ring_time FROM users WHERE forward_no_answer IS NOT NULL
	UNION ALL SELECT name || '@' || domain, 'offline', forward_offline, NULL FROM users WHERE forward_offline IS NOT NULL;
CREATE VIEW user_rights AS
	SELECT u.name || '@' || u.domain AS address, p.class, NULL AS by_group FROM user_permissions p JOIN users u ON u.id = p.user_id
	UNION ALL SELECT u.name || '@' || u.domain, p.class, p.group_name
	FROM group_permissions p JOIN group_members m ON m.group_name = p.group_name JOIN users u ON u.id = m.user_id;
CREATE VIEW registered AS
	SELECT aor, contact, datetime(expires_unix, 'unixepoch') AS expires, received, user_agent FROM bindings WHERE expires_unix > unixepoch();
CREATE VIEW call_log AS
	SELECT datetime(start_ms / 1000, 'unixepoch') AS start, caller, callee, code, reason,
	       CASE WHEN answer_ms IS NULL THEN 0 ELSE (end_ms - answer_ms) / 1000 END AS seconds, ended_by, route, call_id
	FROM calls;
