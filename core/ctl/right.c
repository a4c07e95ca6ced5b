/* Who may call where: classes of calls, the prefixes that tell them, groups, permissions. */
#include "ctl/ctl.h"

#define KEYS(...) (const char *const[]){ __VA_ARGS__ }

static const struct ctl_edit
class_add = {
	.takes = "ct", .keys = "class,help", .sql = "INSERT INTO call_classes (name, help) VALUES ($1, $2) RETURNING name",
	.exists = "class $1 is there already", .said = "class $1 added; `siparioctl prefix add PREFIX $1` says which numbers it has",
},
class_remove = {
	.takes = "c", .keys = "class", .sql = "DELETE FROM call_classes WHERE name = $1 RETURNING name",
	.none = "no class $1: `siparioctl class list` shows those there are",
	.refused = "class $1 is in use: `siparioctl prefix list $1`, `class list` and `permission list` show where; remove that first",
	.said = "class $1 removed",
},
prefix_add = {
	.takes = "pc", .keys = "prefix,class", .need = { { NEED_CLASS, 2 } }, .sql = "INSERT INTO call_prefixes (prefix, class) VALUES ($1, $2) RETURNING prefix",
	.exists = "prefix $1 has a class already: `siparioctl prefix remove $1` first", .said = "numbers that begin with $1 are $2",
},
prefix_remove = {
	.takes = "p", .keys = "prefix", .sql = "DELETE FROM call_prefixes WHERE prefix = $1 RETURNING prefix",
	.none = "no prefix $1: `siparioctl prefix list` shows those there are", .said = "prefix $1 removed",
},
group_add = {
	.takes = "wt", .keys = "group,help", .sql = "INSERT INTO groups (name, help) VALUES ($1, $2) RETURNING name",
	.exists = "group $1 is there already", .said = "group $1 added; `siparioctl group join $1 NAME@DOMAIN` puts users into it",
},
group_remove = {
	.takes = "w", .keys = "group", .sql = "DELETE FROM groups WHERE name = $1 RETURNING name",
	.none = "no group $1: `siparioctl group list` shows those there are", .said = "group $1 removed; its members stay users",
},
group_join = {
	.takes = "wu", .keys = "group,user", .need = { { NEED_GROUP, 1 }, { NEED_USER, 2 } },
	.sql = "INSERT INTO group_members (group_name, user_id) VALUES ($1, (SELECT id FROM users WHERE name = $2 AND domain = $3)) RETURNING group_name",
	.exists = "$2@$3 is a member of $1 already", .said = "$2@$3 is a member of $1",
},
group_leave = {
	.takes = "wu", .keys = "group,user", .need = { { NEED_GROUP, 1 }, { NEED_USER, 2 } },
	.sql = "DELETE FROM group_members WHERE group_name = $1 AND user_id = (SELECT id FROM users WHERE name = $2 AND domain = $3) RETURNING group_name",
	.none = "$2@$3 is no member of $1: `siparioctl group members $1` shows them", .said = "$2@$3 is no member of $1 any more",
},
group_permit = {
	.takes = "wc", .keys = "group,class", .need = { { NEED_GROUP, 1 }, { NEED_CLASS, 2 } },
	.sql = "INSERT INTO group_permissions (group_name, class) VALUES ($1, $2) RETURNING group_name",
	.exists = "members of $1 may make $2 calls already", .said = "members of $1 may make $2 calls",
},
group_forbid = {
	.takes = "wc", .keys = "group,class", .need = { { NEED_GROUP, 1 }, { NEED_CLASS, 2 } },
	.sql = "DELETE FROM group_permissions WHERE group_name = $1 AND class = $2 RETURNING group_name",
	.none = "group $1 has no permission for $2 calls: `siparioctl group classes $1` shows what it has", .said = "group $1 no longer gives $2 calls",
},
permission_grant = {
	.takes = "uc", .keys = "user,class", .need = { { NEED_USER, 1 }, { NEED_CLASS, 3 } },
	.sql = "INSERT INTO user_permissions (user_id, class) VALUES ((SELECT id FROM users WHERE name = $1 AND domain = $2), $3) RETURNING class",
	.exists = "$1@$2 may make $3 calls already", .said = "$1@$2 may make $3 calls",
},
permission_revoke = {
	.takes = "uc", .keys = "user,class", .need = { { NEED_USER, 1 }, { NEED_CLASS, 3 } },
	.sql = "DELETE FROM user_permissions WHERE user_id = (SELECT id FROM users WHERE name = $1 AND domain = $2) AND class = $3 RETURNING class",
	.none = "$1@$2 has no permission of its own for $3 calls: `siparioctl permission list $1@$2` shows whether a group gives it",
	.said = "$1@$2 no longer has a permission of its own for $3 calls",
};

static const struct ctl_list
class_list = {
	.all = "SELECT name, (SELECT count(*) FROM call_prefixes p WHERE p.class = c.name), (SELECT count(*) FROM user_permissions u WHERE u.class = c.name), "
	"(SELECT count(*) FROM group_permissions g WHERE g.class = c.name), help FROM call_classes c ORDER BY name",
	.keys = KEYS("class", "prefixes", "users", "groups", "help"),
},
prefix_list = {
	.takes = "c", .need = NEED_CLASS, .all = "SELECT prefix, class FROM call_prefixes ORDER BY prefix",
	.some = "SELECT prefix, class FROM call_prefixes WHERE class = $1 ORDER BY prefix", .keys = KEYS("prefix", "class"),
},
group_list = {
	.all = "SELECT g.name, (SELECT count(*) FROM group_members m WHERE m.group_name = g.name), "
	"(SELECT count(*) FROM group_permissions p WHERE p.group_name = g.name), help FROM groups g ORDER BY g.name",
	.keys = KEYS("group", "members", "classes", "help"),
},
group_members = {
	.takes = "w", .need = NEED_GROUP,
	.some = "SELECT u.name || '@' || u.domain, u.display_name FROM group_members m JOIN users u ON u.id = m.user_id WHERE m.group_name = $1 ORDER BY u.domain, u.name",
	.keys = KEYS("user", "display_name"),
},
group_classes = {
	.takes = "w", .need = NEED_GROUP, .some = "SELECT class FROM group_permissions WHERE group_name = $1 ORDER BY class", .keys = KEYS("class"),
},
permission_list = {
	.takes = "u", .need = NEED_USER, .all = "SELECT address, class, by_group FROM user_rights ORDER BY address, class",
	.some = "SELECT address, class, by_group FROM user_rights WHERE address = $1 || '@' || $2 ORDER BY class", .keys = KEYS("user", "class", "by_group"),
};

const struct ctl_command ctl_right_commands[] = {
	{ "class", "add", "CLASS [HELP]", "a class of calls, as local or premium", 0, ctl_edit, &class_add },
	{ "class", "remove", "CLASS", "forget one that nothing uses", 0, ctl_edit, &class_remove },
	{ "class", "list", "", "all classes, and by how many each is used", 0, ctl_list, &class_list },
	{ "prefix", "add", "PREFIX CLASS", "numbers that begin so are calls of that class; the longest prefix counts", 0, ctl_edit, &prefix_add },
	{ "prefix", "remove", "PREFIX", "forget a prefix", 0, ctl_edit, &prefix_remove },
	{ "prefix", "list", "[CLASS]", "all prefixes, or a class's", 0, ctl_list, &prefix_list },
	{ "group", "add", "GROUP [HELP]", "users with something in common", 0, ctl_edit, &group_add },
	{ "group", "remove", "GROUP", "forget a group; its members stay", 0, ctl_edit, &group_remove },
	{ "group", "list", "", "all groups, how many members and classes of calls each has", 0, ctl_list, &group_list },
	{ "group", "members", "GROUP", "who is in it", 0, ctl_list, &group_members },
	{ "group", "classes", "GROUP", "which calls its members may make", 0, ctl_list, &group_classes },
	{ "group", "join", "GROUP NAME@DOMAIN", "a user becomes a member", 0, ctl_edit, &group_join },
	{ "group", "leave", "GROUP NAME@DOMAIN", "a user is no member any more", 0, ctl_edit, &group_leave },
	{ "group", "permit", "GROUP CLASS", "members may make calls of that class", 0, ctl_edit, &group_permit },
	{ "group", "forbid", "GROUP CLASS", "take that back", 0, ctl_edit, &group_forbid },
	{ "permission", "grant", "NAME@DOMAIN CLASS", "a user may make calls of that class", 0, ctl_edit, &permission_grant },
	{ "permission", "revoke", "NAME@DOMAIN CLASS", "take that back; what a group gives stays", 0, ctl_edit, &permission_revoke },
	{ "permission", "list", "[NAME@DOMAIN]", "who may make which calls, and by which group", 0, ctl_list, &permission_list },
	{ 0 }
};
