/* What the database says of a user, in one question, and packed: rows one behind the other, each cell a byte of type, then a number, or a length and a text. */
#include "modules/profile/profile.h"

#define NO_TEXTS "NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL"
#define NO_NUMBERS "NULL, NULL, NULL, NULL"

/* An alias leads to its user. The user's own row comes first. */
struct db_stmt user_stmt = {
	"WITH who AS (SELECT id FROM users WHERE name = $1 AND domain = $2 AND status = 'active' "
	"UNION ALL SELECT u.id FROM aliases a JOIN users u ON u.id = a.user_id WHERE a.name = $1 AND a.domain = $2 AND u.status = 'active') "
	"SELECT 0, u.name, u.domain, u.display_name, u.status, u.forward_always, u.forward_busy, u.forward_no_answer, u.forward_offline, u.voicemail, "
	"u.ha1_md5, u.ha1_sha256, u.ring_time, u.max_calls, u.max_contacts, CASE WHEN u.do_not_disturb THEN 1 ELSE 0 END "
	"FROM who JOIN users u ON u.id = who.id "
	"UNION ALL SELECT 1, p.class, NULL, " NO_TEXTS ", " NO_NUMBERS " FROM who JOIN user_permissions p ON p.user_id = who.id "
	"UNION ALL SELECT 1, p.class, NULL, " NO_TEXTS ", " NO_NUMBERS
	" FROM who JOIN group_members m ON m.user_id = who.id JOIN group_permissions p ON p.group_name = m.group_name "
	"UNION ALL SELECT 2, m.group_name, NULL, " NO_TEXTS ", " NO_NUMBERS " FROM who JOIN group_members m ON m.user_id = who.id "
	"UNION ALL SELECT 3, f.name, f.value, " NO_TEXTS ", " NO_NUMBERS " FROM who JOIN preferences f ON f.user_id = who.id "
	"ORDER BY 1, 2", 2, 0
};

static bool is_text(const struct db_value *v)
{
	return v->type == DB_TEXT || v->type == DB_BYTES;
}

size_t user_packed_bytes(const struct db_rows *rows)
{
	size_t n = 0;

	for (size_t i = 0; i < rows->rows * rows->cols; i++) {
		const struct db_value *v = &rows->cell[i];

		n += 1 + (is_text(v) ? sizeof(uint32_t) + v->s.len : v->type == DB_INT ? sizeof(v->i) : 0);
	}
	return n;
}

void user_pack(const struct db_rows *rows, char *at)
{
	for (size_t i = 0; i < rows->rows * rows->cols; i++) {
		const struct db_value *v = &rows->cell[i];
		uint32_t               len = (uint32_t)v->s.len;

		*at++ = (char)v->type;
		if (is_text(v)) {
			memcpy(at, &len, sizeof(len));
			if (len)
				memcpy(at + sizeof(len), v->s.p, len);
			at += sizeof(len) + len;
		} else if (v->type == DB_INT) {
			memcpy(at, &v->i, sizeof(v->i));
			at += sizeof(v->i);
		}
	}
}

/* Our own bytes: their form is not in doubt. */
static struct db_value take_cell(struct str *bytes)
{
	struct db_value v = { .type = (enum db_type)bytes->p[0] };
	size_t          n = 1;
	uint32_t        len;

	if (is_text(&v)) {
		memcpy(&len, bytes->p + 1, sizeof(len));
		v.s = str_n(bytes->p + 1 + sizeof(len), len);
		n += sizeof(len) + len;
	} else if (v.type == DB_INT) {
		memcpy(&v.i, bytes->p + 1, sizeof(v.i));
		n += sizeof(v.i);
	}
	*bytes = str_from(*bytes, n);
	return v;
}

bool user_next_row(struct str *bytes, struct db_value row[U_COLUMNS])
{
	if (!bytes->len)
		return false;
	for (size_t i = 0; i < U_COLUMNS; i++)
		row[i] = take_cell(bytes);
	return true;
}
