#include "modules/profile/profile.h"

#include <stdlib.h>

struct question {
	void (*done)(void *arg, enum err err, const struct credentials *c);
	void      *arg;
	struct str user, domain;
	char       text[];
};

/* Digests are made with the user's own name (RFC 7616 §3.4.2): nobody logs in as an alias. */
static enum err credentials_of(struct str bytes, struct str user, struct str domain, struct credentials *c)
{
	struct db_value row[U_COLUMNS];

	if (!user_next_row(&bytes, row) || !str_eq(row[U_NAME].s, user) || !str_eq(row[U_DOMAIN].s, domain))
		return ERR_NOT_FOUND;
	*c = (struct credentials){ .ha1_md5 = row[U_HA1_MD5].s, .ha1_sha256 = row[U_HA1_SHA256].s };
	return OK;
}

static struct str copied(struct str s, char *room, size_t cap)
{
	size_t n = s.len < cap ? s.len : 0;

	if (n)
		memcpy(room, s.p, n);
	return str_n(room, n);
}

bool profile_known(struct str user, struct str domain, enum err *err, struct credentials *c, struct credentials_room *room)
{
	struct cached known;

	if (!users_known(user, domain, &known))
		return false;
	*err = credentials_of(str_n(known.bytes, known.len), user, domain, c);
	if (!*err)
		*c = (struct credentials){ .ha1_md5 = copied(c->ha1_md5, room->md5, sizeof(room->md5)),
					   .ha1_sha256 = copied(c->ha1_sha256, room->sha256, sizeof(room->sha256)) };
	cache_wipe(&known);
	return true;
}

static void user_came(void *arg, enum err err, struct str bytes)
{
	struct question   *q = arg;
	struct credentials c = { 0 };

	if (!err)
		err = credentials_of(bytes, q->user, q->domain, &c);
	q->done(q->arg, err, err ? NULL : &c);
	free(q);
}

static struct question *question_new(struct str user, struct str domain)
{
	struct question *q = malloc(sizeof(*q) + user.len + domain.len);

	if (!q)
		return NULL;
	memcpy(q->text, user.p, user.len);
	memcpy(q->text + user.len, domain.p, domain.len);
	q->user = str_n(q->text, user.len);
	q->domain = str_n(q->text + user.len, domain.len);
	return q;
}

/* A name that no table can hold (not UTF-8) is nobody's; the answer must come by the loop all the same. */
enum err profile_credentials(struct str user, struct str domain, void (*done)(void *arg, enum err err, const struct credentials *c), void *arg)
{
	struct question *q = question_new(user, domain);
	enum err         err;

	if (!q)
		return ERR_NOMEM;
	q->done = done;
	q->arg = arg;
	err = users_ask(user, domain, user_came, q);
	if (err == ERR_SYNTAX)
		err = users_ask(STR(""), STR(""), user_came, q);
	if (err) {
		counter_inc(&profile_failures);
		free(q);
	}
	return err;
}
