#include "modules/profile/profile.h"

#include <stdlib.h>

static struct db_stmt by_user = {
	"SELECT ha1_md5, ha1_sha256 FROM users WHERE name = $1 AND domain = $2 AND status = 'active'", 2, 0
};

struct question {
	void (*done)(void *arg, enum err err, const struct credentials *c);
	void *arg;
};

void credentials_boot(void)
{
	db_stmt_register(&by_user);
}

static void row_came(void *arg, enum err err, const struct db_rows *rows)
{
	struct question   *q = arg;
	struct credentials c = { 0 };

	if (err)
		counter_inc(&profile_failures);
	else if (!rows->rows)
		err = ERR_NOT_FOUND;
	else
		c = (struct credentials){ .ha1_md5 = db_cell(rows, 0, 0)->s, .ha1_sha256 = db_cell(rows, 0, 1)->s };
	q->done(q->arg, err, err ? NULL : &c);
	free(q);
}

/* A name that no table can hold (not UTF-8) is nobody's; the answer must come by the loop all the same. */
static struct str asked(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!s.p[i] || (unsigned char)s.p[i] >= 0x80)
			return STR("");
	return s;
}

enum err profile_credentials(struct str user, struct str domain, void (*done)(void *arg, enum err err, const struct credentials *c), void *arg)
{
	const struct db_value v[] = { db_text(user), db_text(domain) };
	const struct db_value nobody[] = { db_text(asked(user)), db_text(asked(domain)) };
	struct question      *q = malloc(sizeof(*q));
	enum err              err;

	if (!q)
		return ERR_NOMEM;
	*q = (struct question){ .done = done, .arg = arg };
	err = db_query(&by_user, v, row_came, q);
	if (err == ERR_SYNTAX)
		err = db_query(&by_user, nobody, row_came, q);
	if (err) {
		counter_inc(&profile_failures);
		free(q);
		return err;
	}
	counter_inc(&profile_queries);
	return OK;
}
