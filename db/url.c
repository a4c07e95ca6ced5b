/* What of a database's URL may be seen. */
#include "base/buf.h"
#include "db/db.h"

/* RFC 3986 §3.2.1: user:password before an '@'. One that should have been escaped, and was not, is taken for a part of the password. */
static ptrdiff_t end_of_user(struct str rest)
{
	ptrdiff_t query = str_find(rest, '?'), at = -1;

	for (size_t i = 0; i < rest.len; i++)
		if (rest.p[i] == '@' && (at < 0 || query < 0 || (ptrdiff_t)i < query))
			at = (ptrdiff_t)i;
	return at;
}

/* Names may be escaped: what is, is not shown. */
static bool is_secret(struct str pair)
{
	struct str name = str_take_until(&pair, '=');

	return str_ieqz(name, "password") || str_ieqz(name, "sslpassword") || str_find(name, '%') >= 0;
}

static void add_query(struct buf *out, struct str query)
{
	char sep = '?';

	while (query.len) {
		struct str pair = str_take_until(&query, '&');

		if (!pair.len || is_secret(pair))
			continue;
		buf_ch(out, sep);
		buf_add(out, pair);
		sep = '&';
	}
}

void db_url_public(struct str url, char *room, size_t cap)
{
	ptrdiff_t  start = str_find_str(url, STR("//")), at;
	struct str rest, user;
	struct buf out = buf_on(room, cap - 1);

	if (str_istarts(url, STR("sqlite:")) || start < 0) {
		buf_add(&out, str_to(url, cap - 1));
		room[out.len] = '\0';
		return;
	}
	rest = str_from(url, (size_t)start + 2);
	buf_add(&out, str_to(url, (size_t)start + 2));
	at = end_of_user(rest);
	if (at >= 0) {
		user = str_to(rest, (size_t)at);
		rest = str_from(rest, (size_t)at);
		buf_add(&out, str_take_until(&user, ':'));
	}
	buf_add(&out, str_take_until(&rest, '?'));
	add_query(&out, rest);
	room[out.len] = '\0';
}
