-- Schema 6: servers that share the bindings are told of each other's changes when they are committed.
--
-- Channel sipario_binding: 'NODE ADDRESS', where NODE is sipario.node of the session that made the change (a server knows its own by it), empty for
-- anybody else. No ADDRESS: any of them. That a phone has refreshed its binding is not told: who has a copy asks before it ends. A refresh is
-- an UPDATE that does not name the key, and costs nothing here (a condition would cost as much as the change itself); whoever changes more
-- names it: SET aor = aor, q = 500.

CREATE FUNCTION tell_binding(aor text) RETURNS void LANGUAGE sql AS $$
	-- a payload may have 7999 bytes
	SELECT pg_notify('sipario_binding', coalesce(current_setting('sipario.node', true), '') || ' ' || CASE WHEN octet_length(aor) < 7900 THEN aor ELSE '' END)
$$;
CREATE FUNCTION tell_of_binding() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP <> 'INSERT' THEN
		PERFORM tell_binding(OLD.aor);
	END IF;
	IF TG_OP = 'INSERT' OR (TG_OP = 'UPDATE' AND NEW.aor <> OLD.aor) THEN
		PERFORM tell_binding(NEW.aor);
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER bindings_tell AFTER INSERT OR DELETE OR UPDATE OF aor, contact ON bindings FOR EACH ROW EXECUTE FUNCTION tell_of_binding();
CREATE FUNCTION tell_of_all_bindings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM tell_binding('');
	RETURN NULL;
END $$;
CREATE TRIGGER bindings_emptied AFTER TRUNCATE ON bindings FOR EACH STATEMENT EXECUTE FUNCTION tell_of_all_bindings();
