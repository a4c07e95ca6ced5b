-- Schema 4: whoever keeps a copy of these tables is told of changes: SQLite has no NOTIFY, so that they are written down, and the server looks.
--
-- Channel sipario_profile: 'user:NAME@DOMAIN', an address whose profile has changed (an alias is one as well); 'users', all of them; 'domains'; 'peers';
-- 'prefixes', the classes of numbers.

CREATE TABLE changes (
	id      INTEGER PRIMARY KEY AUTOINCREMENT,  -- without gaps: a reader sees when it has missed some
	channel TEXT NOT NULL,
	key     TEXT NOT NULL
) STRICT;
-- the latest ten thousand are kept; a reader that comes too late takes it that everything has changed
CREATE TRIGGER changes_end AFTER INSERT ON changes BEGIN
	DELETE FROM changes WHERE id <= NEW.id - 10000;
END;

-- To be inserted into: a user, and with it all its addresses.
CREATE VIEW user_tell AS SELECT 0 AS user_id WHERE FALSE;
CREATE TRIGGER user_tell_all INSTEAD OF INSERT ON user_tell BEGIN
	INSERT INTO changes (channel, key) SELECT 'sipario_profile', 'user:' || name || '@' || domain FROM users WHERE id = NEW.user_id;
	INSERT INTO changes (channel, key) SELECT 'sipario_profile', 'user:' || name || '@' || domain FROM aliases WHERE user_id = NEW.user_id;
END;

-- Of tables with a row an address.
CREATE TRIGGER users_tell_insert AFTER INSERT ON users BEGIN
	INSERT INTO changes (channel, key) VALUES ('sipario_profile', 'user:' || NEW.name || '@' || NEW.domain);
END;
CREATE TRIGGER users_tell_delete AFTER DELETE ON users BEGIN
	INSERT INTO changes (channel, key) VALUES ('sipario_profile', 'user:' || OLD.name || '@' || OLD.domain);
END;
CREATE TRIGGER users_tell_update AFTER UPDATE ON users BEGIN
	INSERT INTO changes (channel, key) SELECT 'sipario_profile', 'user:' || OLD.name || '@' || OLD.domain
	       WHERE (OLD.name, OLD.domain) <> (NEW.name, NEW.domain);
	INSERT INTO user_tell VALUES (NEW.id);
END;
CREATE TRIGGER aliases_tell_insert AFTER INSERT ON aliases BEGIN
	INSERT INTO changes (channel, key) VALUES ('sipario_profile', 'user:' || NEW.name || '@' || NEW.domain);
END;
CREATE TRIGGER aliases_tell_delete AFTER DELETE ON aliases BEGIN
	INSERT INTO changes (channel, key) VALUES ('sipario_profile', 'user:' || OLD.name || '@' || OLD.domain);
END;
CREATE TRIGGER aliases_tell_update AFTER UPDATE ON aliases BEGIN
	INSERT INTO changes (channel, key) VALUES ('sipario_profile', 'user:' || OLD.name || '@' || OLD.domain);
	INSERT INTO changes (channel, key) VALUES ('sipario_profile', 'user:' || NEW.name || '@' || NEW.domain);
END;

-- Of tables with rows of a user.
CREATE TRIGGER preferences_tell_insert AFTER INSERT ON preferences BEGIN
	INSERT INTO user_tell VALUES (NEW.user_id);
END;
CREATE TRIGGER preferences_tell_delete AFTER DELETE ON preferences BEGIN
	INSERT INTO user_tell VALUES (OLD.user_id);
END;
CREATE TRIGGER preferences_tell_update AFTER UPDATE ON preferences BEGIN
	INSERT INTO user_tell VALUES (OLD.user_id);
	INSERT INTO user_tell VALUES (NEW.user_id);
END;
CREATE TRIGGER user_permissions_tell_insert AFTER INSERT ON user_permissions BEGIN
	INSERT INTO user_tell VALUES (NEW.user_id);
END;
CREATE TRIGGER user_permissions_tell_delete AFTER DELETE ON user_permissions BEGIN
	INSERT INTO user_tell VALUES (OLD.user_id);
END;
CREATE TRIGGER user_permissions_tell_update AFTER UPDATE ON user_permissions BEGIN
	INSERT INTO user_tell VALUES (OLD.user_id);
	INSERT INTO user_tell VALUES (NEW.user_id);
END;
CREATE TRIGGER group_members_tell_insert AFTER INSERT ON group_members BEGIN
	INSERT INTO user_tell VALUES (NEW.user_id);
END;
CREATE TRIGGER group_members_tell_delete AFTER DELETE ON group_members BEGIN
	INSERT INTO user_tell VALUES (OLD.user_id);
END;
CREATE TRIGGER group_members_tell_update AFTER UPDATE ON group_members BEGIN
	INSERT INTO user_tell VALUES (OLD.user_id);
	INSERT INTO user_tell VALUES (NEW.user_id);
END;

-- Of what concerns many.
CREATE TRIGGER group_permissions_tell_insert AFTER INSERT ON group_permissions BEGIN
	INSERT INTO changes (channel, key) VALUES ('sipario_profile', 'users');
END;
CREATE TRIGGER group_permissions_tell_delete AFTER DELETE ON group_permissions BEGIN
	INSERT INTO changes (channel, key) VALUES ('sipario_profile', 'users');
END;
CREATE TRIGGER group_permissions_tell_update AFTER UPDATE ON group_permissions BEGIN
	INSERT INTO changes (channel, key) VALUES ('sipario_profile', 'users');
END;
CREATE TRIGGER domains_tell_insert AFTER INSERT ON domains BEGIN
	INSERT INTO changes (channel, key) VALUES ('sipario_profile', 'domains');
END;
CREATE TRIGGER domains_tell_delete AFTER DELETE ON domains BEGIN
	INSERT INTO changes (channel, key) VALUES ('sipario_profile', 'domains');
END;
CREATE TRIGGER domains_tell_update AFTER UPDATE ON domains BEGIN
	INSERT INTO changes (channel, key) VALUES ('sipario_profile', 'domains');
END;
CREATE TRIGGER trusted_peers_tell_insert AFTER INSERT ON trusted_peers BEGIN
	INSERT INTO changes (channel, key) VALUES ('sipario_profile', 'peers');
END;
CREATE TRIGGER trusted_peers_tell_delete AFTER DELETE ON trusted_peers BEGIN
	INSERT INTO changes (channel, key) VALUES ('sipario_profile', 'peers');
END;
CREATE TRIGGER trusted_peers_tell_update AFTER UPDATE ON trusted_peers BEGIN
	INSERT INTO changes (channel, key) VALUES ('sipario_profile', 'peers');
END;
CREATE TRIGGER call_classes_tell_insert AFTER INSERT ON call_classes BEGIN
	INSERT INTO changes (channel, key) VALUES ('sipario_profile', 'prefixes');
END;
CREATE TRIGGER call_classes_tell_delete AFTER DELETE ON call_classes BEGIN
	INSERT INTO changes (channel, key) VALUES ('sipario_profile', 'prefixes');
END;
CREATE TRIGGER call_classes_tell_update AFTER UPDATE ON call_classes BEGIN
	INSERT INTO changes (channel, key) VALUES ('sipario_profile', 'prefixes');
END;
CREATE TRIGGER call_prefixes_tell_insert AFTER INSERT ON call_prefixes BEGIN
	INSERT INTO changes (channel, key) VALUES ('sipario_profile', 'prefixes');
END;
CREATE TRIGGER call_prefixes_tell_delete AFTER DELETE ON call_prefixes BEGIN
	INSERT INTO changes (channel, key) VALUES ('sipario_profile', 'prefixes');
END;
CREATE TRIGGER call_prefixes_tell_update AFTER UPDATE ON call_prefixes BEGIN
	INSERT INTO changes (channel, key) VALUES ('sipario_profile', 'prefixes');
END;
