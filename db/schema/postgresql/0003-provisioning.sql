-- Schema 3: all that an operator provisions, and the record of calls. Times of calls are milliseconds since 1970, all others seconds.

ALTER TABLE users
	ADD COLUMN do_not_disturb boolean NOT NULL DEFAULT false,
	ADD COLUMN voicemail      text CHECK (voicemail ~* '^(sip|sips|tel):'),
	ADD COLUMN max_contacts   integer CHECK (max_contacts BETWEEN 1 AND 100),
	ADD COLUMN max_calls      integer CHECK (max_calls BETWEEN 0 AND 10000);
COMMENT ON COLUMN users.do_not_disturb IS 'no call reaches the user, but for the forwardings';
COMMENT ON COLUMN users.voicemail IS 'URI where callers may leave a message; NULL: none';
COMMENT ON COLUMN users.max_contacts IS 'phones at a time; NULL: as the server''s settings say';
COMMENT ON COLUMN users.max_calls IS 'calls at a time; NULL: as the server''s settings say';

CREATE TABLE preferences (
	user_id bigint NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	name    text COLLATE "C" NOT NULL CHECK (name <> ''),
	value   text NOT NULL,
	PRIMARY KEY (user_id, name)
);
COMMENT ON TABLE preferences IS 'Whatever else a routing script or a phone''s set-up wants to know of a user.';

CREATE TABLE aliases (
	name    text COLLATE "C" NOT NULL CHECK (name <> ''),
	domain  text COLLATE "C" NOT NULL REFERENCES domains (name) ON DELETE RESTRICT ON UPDATE RESTRICT,
	user_id bigint NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	PRIMARY KEY (name, domain)
);
CREATE INDEX aliases_user ON aliases (user_id);
CREATE INDEX aliases_domain ON aliases (domain);
COMMENT ON TABLE aliases IS 'Further addresses of a user: sales@example.org, or a number in our domain. None may be the address of a user.';

-- One address, one meaning.
CREATE FUNCTION address_is_one() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_TABLE_NAME = 'aliases' THEN
		IF EXISTS (SELECT FROM users WHERE name = NEW.name AND domain = NEW.domain) THEN
			RAISE EXCEPTION 'an alias may not be the address of a user' USING ERRCODE = 'integrity_constraint_violation';
		END IF;
	ELSIF EXISTS (SELECT FROM aliases WHERE name = NEW.name AND domain = NEW.domain) THEN
		RAISE EXCEPTION 'a user may not have the address of an alias' USING ERRCODE = 'integrity_constraint_violation';
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER aliases_are_no_users BEFORE INSERT OR UPDATE OF name, domain ON aliases FOR EACH ROW EXECUTE FUNCTION address_is_one();
CREATE TRIGGER users_are_no_aliases BEFORE INSERT OR UPDATE OF name, domain ON users FOR EACH ROW EXECUTE FUNCTION address_is_one();

CREATE TABLE call_classes (
	name text COLLATE "C" PRIMARY KEY CHECK (name <> '' AND name = lower(name)),
	help text NOT NULL DEFAULT ''
);
COMMENT ON TABLE call_classes IS 'What kinds of calls there are.';
INSERT INTO call_classes (name, help) VALUES
	('emergency', 'free to everybody, always'), ('local', 'within the area'), ('national', 'within the country'), ('mobile', 'to mobile phones'),
	('international', 'abroad'), ('premium', 'numbers that cost extra');
CREATE TABLE call_prefixes (
	prefix text COLLATE "C" PRIMARY KEY CHECK (prefix ~ '^[+0-9*#][0-9*#]*$'),
	class  text COLLATE "C" NOT NULL REFERENCES call_classes (name) ON DELETE RESTRICT ON UPDATE CASCADE
);
CREATE INDEX call_prefixes_class ON call_prefixes (class);
COMMENT ON TABLE call_prefixes IS 'By what a number belongs to a class: the longest prefix counts.';

CREATE TABLE groups (
	name text COLLATE "C" PRIMARY KEY CHECK (name <> ''),
	help text NOT NULL DEFAULT ''
);
CREATE TABLE group_members (
	group_name text COLLATE "C" NOT NULL REFERENCES groups (name) ON DELETE CASCADE ON UPDATE CASCADE,
	user_id    bigint NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	PRIMARY KEY (group_name, user_id)
);
CREATE INDEX group_members_user ON group_members (user_id);
CREATE TABLE group_permissions (
	group_name text COLLATE "C" NOT NULL REFERENCES groups (name) ON DELETE CASCADE ON UPDATE CASCADE,
	class      text COLLATE "C" NOT NULL REFERENCES call_classes (name) ON DELETE RESTRICT ON UPDATE CASCADE,
	PRIMARY KEY (group_name, class)
);
CREATE TABLE user_permissions (
	user_id bigint NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	class   text COLLATE "C" NOT NULL REFERENCES call_classes (name) ON DELETE RESTRICT ON UPDATE CASCADE,
	PRIMARY KEY (user_id, class)
);
COMMENT ON TABLE groups IS 'Users with something in common.';
COMMENT ON TABLE group_members IS 'Who is in which group.';
COMMENT ON TABLE group_permissions IS 'Classes of calls that a group''s members may make.';
COMMENT ON TABLE user_permissions IS 'Classes of calls that a user may make, besides those of the groups.';

CREATE TABLE trusted_peers (
	network cidr PRIMARY KEY,
	name    text NOT NULL CHECK (name <> ''),
	status  text COLLATE "C" NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'disabled')),
	help    text NOT NULL DEFAULT ''
);
COMMENT ON TABLE trusted_peers IS 'Peers that need no password, by where their requests come from.';
COMMENT ON COLUMN trusted_peers.network IS '192.0.2.0/24, 2001:db8::/32';

CREATE TABLE calls (
	id        text COLLATE "C" PRIMARY KEY CHECK (id <> ''),
	call_id   text COLLATE "C" NOT NULL,
	from_tag  text COLLATE "C" NOT NULL DEFAULT '',
	to_tag    text COLLATE "C" NOT NULL DEFAULT '',
	caller    text COLLATE "C" NOT NULL,
	callee    text COLLATE "C" NOT NULL,
	target    text COLLATE "C" NOT NULL DEFAULT '',
	source    text COLLATE "C" NOT NULL DEFAULT '',
	start_ms  bigint NOT NULL,
	answer_ms bigint CHECK (answer_ms >= start_ms),
	end_ms    bigint CHECK (end_ms >= coalesce(answer_ms, start_ms)),
	ended_by  text COLLATE "C" CHECK (ended_by IN ('caller', 'callee', 'server')),
	code      integer NOT NULL CHECK (code BETWEEN 100 AND 699),
	reason    text NOT NULL DEFAULT '',
	route     text NOT NULL DEFAULT ''
);
CREATE INDEX calls_start ON calls (start_ms);
CREATE INDEX calls_caller ON calls (caller, start_ms);
CREATE INDEX calls_callee ON calls (callee, start_ms);
COMMENT ON TABLE calls IS 'One row a call, also missed and failed ones, written by the server.';
COMMENT ON COLUMN calls.id IS 'drawn by the server, so that a record is written once';
COMMENT ON COLUMN calls.to_tag IS 'of the answer; empty: none';
COMMENT ON COLUMN calls.caller IS 'sip:alice@example.org';
COMMENT ON COLUMN calls.callee IS 'whom the caller asked for';
COMMENT ON COLUMN calls.target IS 'where it was answered, or last tried';
COMMENT ON COLUMN calls.source IS 'where the INVITE came from: udp:192.0.2.1:5060';
COMMENT ON COLUMN calls.start_ms IS 'milliseconds since 1970';
COMMENT ON COLUMN calls.answer_ms IS 'milliseconds since 1970; NULL: never answered';
COMMENT ON COLUMN calls.end_ms IS 'milliseconds since 1970; NULL: still under way';
COMMENT ON COLUMN calls.code IS 'the final response';
COMMENT ON COLUMN calls.route IS 'the ways that were tried';

-- For operators: no view shows a digest.
CREATE VIEW user_overview AS
	SELECT u.name || '@' || u.domain AS address, u.display_name, u.status, u.do_not_disturb,
	       (SELECT count(*) FROM bindings b WHERE b.aor = 'sip:' || u.name || '@' || u.domain AND b.expires_unix > extract(epoch FROM now())) AS contacts,
	       (SELECT count(*) FROM aliases a WHERE a.user_id = u.id) AS aliases,
	       u.ha1_md5 IS NOT NULL AS md5, u.ha1_sha256 IS NOT NULL AS sha256, to_timestamp(u.created) AS created
	FROM users u;
CREATE VIEW forwardings AS
	SELECT name || '@' || domain AS address, 'always' AS kind, forward_always AS target, NULL::integer AS ring_time FROM users WHERE forward_always IS NOT NULL
	UNION ALL SELECT name || '@' || domain, 'busy', forward_busy, NULL FROM users WHERE forward_busy IS NOT NULL
	UNION ALL SELECT name || '@' || domain, 'no answer', forward_no_answer, ring_time FROM users WHERE forward_no_answer IS NOT NULL
	UNION ALL SELECT name || '@' || domain, 'offline', forward_offline, NULL FROM users WHERE forward_offline IS NOT NULL;
CREATE VIEW user_rights AS
	SELECT u.name || '@' || u.domain AS address, p.class, NULL AS by_group FROM user_permissions p JOIN users u ON u.id = p.user_id
	UNION ALL SELECT u.name || '@' || u.domain, p.class, p.group_name
	FROM group_permissions p JOIN group_members m ON m.group_name = p.group_name JOIN users u ON u.id = m.user_id;
CREATE VIEW registered AS
	SELECT aor, contact, to_timestamp(expires_unix) AS expires, received, user_agent FROM bindings WHERE expires_unix > extract(epoch FROM now());
CREATE VIEW call_log AS
	SELECT to_timestamp(start_ms / 1000.0) AS start, caller, callee, code, reason,
	       CASE WHEN answer_ms IS NULL THEN 0 ELSE (end_ms - answer_ms) / 1000 END AS seconds, ended_by, route, call_id
	FROM calls;
COMMENT ON VIEW user_overview IS 'A line a user: status, phones registered, digests there are.';
COMMENT ON VIEW forwardings IS 'A line a forwarding.';
COMMENT ON VIEW user_rights IS 'Who may make which calls, and by which group.';
COMMENT ON VIEW registered IS 'Registered contacts, as the store knows them.';
COMMENT ON VIEW call_log IS 'Calls as people read them; seconds are those of the conversation.';

-- Three roles that nobody logs in as: GRANT sipario_server TO the user in the server's URL, and so on.
--   sipario_server    reads all, writes bindings and calls
--   sipario_operator  provisions; cannot change the record of calls nor see the secrets
--   sipario_reader    views and calls, no digests
CREATE FUNCTION grant_roles() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	role text;
BEGIN
	FOREACH role IN ARRAY ARRAY['sipario_server', 'sipario_operator', 'sipario_reader'] LOOP
		IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = role) THEN
			BEGIN
				EXECUTE format('CREATE ROLE %I NOLOGIN', role);
			EXCEPTION
				WHEN duplicate_object OR unique_violation THEN NULL;  -- another database of this server, at this moment
				WHEN insufficient_privilege THEN
					RAISE WARNING 'role % is missing: let an administrator run CREATE ROLE % NOLOGIN, then SELECT grant_roles()', role, role;
					CONTINUE;
			END;
		END IF;
		EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), role);
		EXECUTE format('GRANT SELECT ON schema_version, domains, aliases, call_classes, call_prefixes, groups, group_members, group_permissions, '
			'user_permissions, trusted_peers, bindings, calls, user_overview, forwardings, user_rights, registered, call_log TO %I', role);
		IF role = 'sipario_server' THEN
			EXECUTE format('GRANT SELECT ON users, preferences, secrets TO %I', role);
			EXECUTE format('GRANT INSERT, UPDATE, DELETE ON bindings TO %I', role);
			EXECUTE format('GRANT INSERT, UPDATE ON calls TO %I', role);
		ELSIF role = 'sipario_operator' THEN
			EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON domains, users, preferences, aliases, call_classes, call_prefixes, groups, '
				'group_members, group_permissions, user_permissions, trusted_peers TO %I', role);
			EXECUTE format('GRANT DELETE ON bindings TO %I', role);
		END IF;
	END LOOP;
END $$;
COMMENT ON FUNCTION grant_roles() IS 'Gives the roles sipario_server, sipario_operator and sipario_reader what they need, and makes them where the caller may.';
REVOKE ALL ON FUNCTION grant_roles() FROM PUBLIC;
SELECT grant_roles();
