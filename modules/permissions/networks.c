#include <stdlib.h>

#include "modules/permissions/permissions.h"

struct trusted {
	struct addr addr;
	struct str  name;
	uint8_t     prefix;
};
struct networks {
	size_t         count;
	struct trusted at[];	/* the narrowest first, then by address: those of one width lie together, sorted. The names lie behind */
};

static int family_of(const struct addr *a)
{
	return a->u.any.sa_family;
}

static int by_width(const void *x, const void *y)
{
	const struct trusted *a = x, *b = y;

	if (family_of(&a->addr) != family_of(&b->addr))
		return family_of(&a->addr) - family_of(&b->addr);
	if (a->prefix != b->prefix)
		return b->prefix - a->prefix;
	return str_cmp(addr_ip_bytes(&a->addr), addr_ip_bytes(&b->addr));
}

/* The address of its network: what lies behind the prefix is zero. */
static struct addr masked(struct addr a, uint8_t prefix)
{
	struct str     bytes = addr_ip_bytes(&a);
	unsigned char *p = (unsigned char *)bytes.p;

	for (size_t i = 0; i < bytes.len; i++) {
		unsigned keep = prefix > 8 * i ? prefix - 8 * (unsigned)i : 0;

		if (keep < 8)
			p[i] &= (unsigned char)(0xff00 >> keep);
	}
	addr_set_port(&a, 0);
	return a;
}

void *networks_of(const struct db_rows *rows)
{
	size_t           bytes = sizeof(struct networks) + rows->rows * sizeof(struct trusted);
	struct networks *n;
	char            *text;

	for (size_t i = 0; i < rows->rows; i++)
		bytes += db_cell(rows, i, 1)->s.len;
	n = calloc(1, bytes);
	if (!n)
		return NULL;
	text = (char *)&n->at[rows->rows];
	for (size_t i = 0; i < rows->rows; i++) {
		struct trusted *to = &n->at[n->count];
		struct str      name = db_cell(rows, i, 1)->s;

		if (cidr_parse(db_cell(rows, i, 0)->s, &to->addr, &to->prefix))
			continue;
		to->addr = masked(to->addr, to->prefix);
		to->name = str_n(memcpy(text, name.p, name.len), name.len);
		text += name.len;
		n->count++;
	}
	qsort(n->at, n->count, sizeof(n->at[0]), by_width);
	return n;
}

/* The first of the next narrower or wider ones. */
static size_t skip_width(const struct networks *n, size_t i)
{
	const struct trusted *first = &n->at[i];

	while (i < n->count && n->at[i].prefix == first->prefix && family_of(&n->at[i].addr) == family_of(&first->addr))
		i++;
	return i;
}

const struct str *networks_find(const struct networks *n, const struct addr *ip)
{
	for (size_t i = 0, end; n && i < n->count; i = end) {
		struct trusted key = { .addr = *ip, .prefix = n->at[i].prefix };
		struct trusted *found;

		end = skip_width(n, i);
		if (family_of(&n->at[i].addr) != family_of(ip))
			continue;
		key.addr = masked(key.addr, key.prefix);
		found = bsearch(&key, &n->at[i], end - i, sizeof(key), by_width);
		if (found)
			return &found->name;
	}
	return NULL;
}
