-- Schema 4: whoever keeps a copy of these tables is told of changes when they are committed.
--
-- Channel sipario_profile: 'user:NAME@DOMAIN', an address whose profile has changed (an alias is one as well); 'users', all of them; 'domains'; 'peers';
-- 'prefixes', the classes of numbers.

CREATE FUNCTION tell_address(name text, domain text) RETURNS void LANGUAGE sql AS $$
	-- a payload may have 7999 bytes
	SELECT pg_notify('sipario_profile', CASE WHEN octet_length(name) + octet_length(domain) < 7900 THEN 'user:' || name || '@' || domain ELSE 'users' END)
$$;
CREATE FUNCTION tell_user(id bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM tell_address(u.name, u.domain) FROM users u WHERE u.id = tell_user.id;
	PERFORM tell_address(a.name, a.domain) FROM aliases a WHERE a.user_id = tell_user.id;
END $$;

-- Of tables with a row an address.
CREATE FUNCTION tell_of_address() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP = 'UPDATE' AND OLD IS NOT DISTINCT FROM NEW THEN
		RETURN NULL;
	END IF;
	IF TG_OP <> 'INSERT' THEN
		PERFORM tell_address(OLD.name, OLD.domain);
	END IF;
	IF TG_OP <> 'DELETE' THEN
		PERFORM tell_address(NEW.name, NEW.domain);
	END IF;
	IF TG_OP = 'UPDATE' AND TG_TABLE_NAME = 'users' THEN
		PERFORM tell_user(NEW.id);
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER users_tell AFTER INSERT OR UPDATE OR DELETE ON users FOR EACH ROW EXECUTE FUNCTION tell_of_address();
CREATE TRIGGER aliases_tell AFTER INSERT OR UPDATE OR DELETE ON aliases FOR EACH ROW EXECUTE FUNCTION tell_of_address();

-- Of tables with rows of a user.
CREATE FUNCTION tell_of_user() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP <> 'INSERT' THEN
		PERFORM tell_user(OLD.user_id);
	END IF;
	IF TG_OP <> 'DELETE' THEN
		PERFORM tell_user(NEW.user_id);
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER preferences_tell AFTER INSERT OR UPDATE OR DELETE ON preferences FOR EACH ROW EXECUTE FUNCTION tell_of_user();
CREATE TRIGGER user_permissions_tell AFTER INSERT OR UPDATE OR DELETE ON user_permissions FOR EACH ROW EXECUTE FUNCTION tell_of_user();
CREATE TRIGGER group_members_tell AFTER INSERT OR UPDATE OR DELETE ON group_members FOR EACH ROW EXECUTE FUNCTION tell_of_user();

-- Of what concerns many.
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_notify('sipario_profile', TG_ARGV[0]);
	RETURN NULL;
END $$;
CREATE TRIGGER group_permissions_tell AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON group_permissions FOR EACH STATEMENT EXECUTE FUNCTION tell('users');
CREATE TRIGGER domains_tell AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON domains FOR EACH STATEMENT EXECUTE FUNCTION tell('domains');
CREATE TRIGGER trusted_peers_tell AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON trusted_peers FOR EACH STATEMENT EXECUTE FUNCTION tell('peers');
CREATE TRIGGER call_classes_tell AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON call_classes FOR EACH STATEMENT EXECUTE FUNCTION tell('prefixes');
CREATE TRIGGER call_prefixes_tell AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON call_prefixes FOR EACH STATEMENT EXECUTE FUNCTION tell('prefixes');
CREATE TRIGGER users_emptied AFTER TRUNCATE ON users FOR EACH STATEMENT EXECUTE FUNCTION tell('users');
CREATE TRIGGER aliases_emptied AFTER TRUNCATE ON aliases FOR EACH STATEMENT EXECUTE FUNCTION tell('users');
CREATE TRIGGER preferences_emptied AFTER TRUNCATE ON preferences FOR EACH STATEMENT EXECUTE FUNCTION tell('users');
CREATE TRIGGER user_permissions_emptied AFTER TRUNCATE ON user_permissions FOR EACH STATEMENT EXECUTE FUNCTION tell('users');
CREATE TRIGGER group_members_emptied AFTER TRUNCATE ON group_members FOR EACH STATEMENT EXECUTE FUNCTION tell('users');
