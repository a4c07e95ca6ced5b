#include "module/value.h"

#include <limits.h>
#include <stdlib.h>

struct unit {
	const char *name;
	int64_t     factor;
};
/* Largest first: that is the order in which they may follow each other, and in which they are printed. */
static const struct unit time_units[] = {
	{ "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 },
};
static const struct unit size_units[] = {
	{ "TB", (int64_t)1 << 40 }, { "GB", 1 << 30 }, { "MB", 1 << 20 }, { "kB", 1 << 10 }, { "KB", 1 << 10 }, { "B", 1 },
};

const char *vtype_name(enum vtype t)
{
	static const char *const name[T_COUNT] = {
		[T_NULL] = "null", [T_BOOL] = "bool", [T_INT] = "int", [T_STR] = "string", [T_DURATION] = "duration",
		[T_SIZE] = "size", [T_IP] = "ip", [T_CIDR] = "cidr", [T_URI] = "uri", [T_REGEX] = "regex", [T_LIST] = "list",
		[T_RECORD] = "record", [T_ANY] = "value",
	};

	return (unsigned)t < T_COUNT ? name[t] : "value";
}

/* The unit's letters at the front of *rest; NULL when they name none of the table. */
static const struct unit *take_unit(struct str *rest, const struct unit *table, size_t n)
{
	size_t len = 0;

	while (len < rest->len && !ch_digit(rest->p[len]))
		len++;
	for (size_t i = 0; i < n; i++)
		if (str_is(str_to(*rest, len), table[i].name)) {
			*rest = str_from(*rest, len);
			return &table[i];
		}
	return NULL;
}

/* Decimal digits at the front; ERR_LIMIT when they do not fit. */
static enum err take_number(struct str *rest, int64_t *out)
{
	size_t len = 0;

	while (len < rest->len && ch_digit(rest->p[len]))
		len++;
	if (!len)
		return ERR_SYNTAX;
	if (!str_i64(str_to(*rest, len), out))
		return ERR_LIMIT;
	*rest = str_from(*rest, len);
	return OK;
}

/* Number and unit, repeated with ever smaller units ("1h30m"). */
static enum err units_parse(struct str s, const struct unit *table, size_t n, int64_t *out)
{
	const struct unit *last = NULL;
	int64_t            sum = 0;

	do {
		const struct unit *u;
		int64_t            num, part;
		enum err           err = take_number(&s, &num);

		if (err)
			return err;
		u = take_unit(&s, table, n);
		if (!u || (last && u->factor >= last->factor))
			return ERR_SYNTAX;
		if (__builtin_mul_overflow(num, u->factor, &part) || __builtin_add_overflow(sum, part, &sum))
			return ERR_LIMIT;
		last = u;
	} while (s.len);
	*out = sum;
	return OK;
}

enum err duration_parse(struct str s, int64_t *ms)
{
	return units_parse(s, time_units, COUNT_OF(time_units), ms);
}

enum err size_parse(struct str s, int64_t *bytes)
{
	return units_parse(s, size_units, COUNT_OF(size_units), bytes);
}

void duration_write(int64_t ms, struct buf *out)
{
	uint64_t rest = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;

	if (!ms)
		BUF_LIT(out, "0s");
	if (ms < 0)
		buf_ch(out, '-');
	for (size_t i = 0; i < COUNT_OF(time_units); i++) {
		uint64_t n = rest / (uint64_t)time_units[i].factor;

		if (!n)
			continue;
		buf_u64(out, n);
		buf_add(out, str_of(time_units[i].name));
		rest -= n * (uint64_t)time_units[i].factor;
	}
}

/* In the largest unit that divides it. */
void size_write(int64_t bytes, struct buf *out)
{
	uint64_t n = bytes < 0 ? 0 - (uint64_t)bytes : (uint64_t)bytes;
	size_t   i = 0;

	if (bytes < 0)
		buf_ch(out, '-');
	while (size_units[i].factor > 1 && (!n || n % (uint64_t)size_units[i].factor))
		i++;
	buf_u64(out, n / (uint64_t)size_units[i].factor);
	buf_add(out, str_of(size_units[i].name));
}

/* The address bytes in network order. */
static const uint8_t *ip_bytes(const struct addr *a, unsigned *bits)
{
	bool v6 = a->u.any.sa_family == AF_INET6;

	*bits = v6 ? 128 : 32;
	return v6 ? a->u.v6.sin6_addr.s6_addr : (const uint8_t *)&a->u.v4.sin_addr;
}

enum err cidr_parse(struct str s, struct addr *net, uint8_t *prefix)
{
	struct str  rest = s, ip = str_take_until(&rest, '/');
	struct addr a;
	unsigned    bits;
	uint32_t    n;

	if (addr_parse(ip, 0, &a))
		return ERR_SYNTAX;
	ip_bytes(&a, &bits);
	n = bits;
	if (ip.len < s.len && (!str_u32(rest, &n) || n > bits))
		return ERR_SYNTAX;
	*net = a;
	*prefix = (uint8_t)n;
	return OK;
}

bool cidr_contains(const struct addr *net, uint8_t prefix, const struct addr *ip)
{
	unsigned       bits, whole = prefix / 8, odd = prefix % 8;
	const uint8_t *a = ip_bytes(net, &bits), *b = ip_bytes(ip, &bits);

	if (net->u.any.sa_family != ip->u.any.sa_family || memcmp(a, b, whole))
		return false;
	return !odd || (uint8_t)(a[whole] ^ b[whole]) >> (8 - odd) == 0;
}

static void list_write(const struct list_value *l, struct buf *out);
static void record_write(const struct record *r, struct buf *out);

static void write_value(const struct value *v, struct buf *out)
{
	switch (v->type) {
	case T_BOOL:
		buf_add(out, v->u.b ? STR("true") : STR("false"));
		return;
	case T_INT:
		buf_printf(out, "%lld", (long long)v->u.i);
		return;
	case T_STR:
	case T_URI:
		buf_add(out, v->u.s);
		return;
	case T_DURATION:
		duration_write(v->u.i, out);
		return;
	case T_SIZE:
		size_write(v->u.i, out);
		return;
	case T_IP:
		addr_ip_write(v->u.ip, out);
		return;
	case T_CIDR:
		addr_ip_write(v->u.ip, out);
		buf_ch(out, '/');
		buf_u64(out, v->prefix);
		return;
	case T_LIST:
		list_write(v->u.list, out);
		return;
	case T_RECORD:
		record_write(v->u.rec, out);
		return;
	case T_REGEX:
		BUF_LIT(out, "<regex>");
		return;
	default:
		BUF_LIT(out, "null");
	}
}

static void list_write(const struct list_value *l, struct buf *out)
{
	buf_ch(out, '[');
	for (size_t i = 0; i < l->count; i++) {
		if (i)
			BUF_LIT(out, ", ");
		write_value(&l->v[i], out);
	}
	buf_ch(out, ']');
}

static void record_write(const struct record *r, struct buf *out)
{
	buf_add(out, str_of(r->shape->name));
	buf_ch(out, '{');
	for (size_t i = 0; r->shape->fields[i].name; i++) {
		if (i)
			BUF_LIT(out, ", ");
		buf_add(out, str_of(r->shape->fields[i].name));
		BUF_LIT(out, " = ");
		write_value(&r->v[i], out);
	}
	buf_ch(out, '}');
}

struct str value_text(struct arena *a, const struct value *v)
{
	enum { MOST_SHORT = 192 };	/* numbers, durations, addresses; twice as much again for each try of a list or record */

	if (v->type == T_STR || v->type == T_URI)
		return v->u.s.p ? v->u.s : STR("");
	for (size_t cap = MOST_SHORT; cap <= a->limit_bytes; cap *= 2) {
		void      *room = arena_alloc(a, cap);
		struct buf out = buf_on(room, cap);

		if (!room)
			return STR_NONE;
		write_value(v, &out);
		if (buf_ok(&out))
			return buf_str(&out);
	}
	return STR_NONE;
}

static bool address_parse(struct arena *a, struct str text, struct value *out)
{
	struct addr *ip = ARENA_NEW(a, struct addr);

	out->u.ip = ip;
	return ip && (out->type == T_IP ? !addr_parse(text, 0, ip) : !cidr_parse(text, ip, &out->prefix));
}

bool value_parse(struct arena *a, enum vtype t, struct str text, struct value *out)
{
	*out = (struct value){ .type = t };
	switch (t) {
	case T_BOOL:
		*out = value_bool(str_is(text, "true"));
		return out->u.b || str_is(text, "false");
	case T_INT:
		return str_i64(text, &out->u.i);
	case T_DURATION:
		return !duration_parse(text, &out->u.i);
	case T_SIZE:
		return !size_parse(text, &out->u.i);
	case T_IP: case T_CIDR:
		return address_parse(a, text, out);
	case T_ANY:
		if (str_i64(text, &out->u.i))
			out->type = T_INT;
		else
			*out = value_str(text);
		return true;
	case T_STR: case T_URI:
		out->u.s = text;
		return text.p;
	default:
		return false;
	}
}

static bool list_eq(const struct list_value *a, const struct list_value *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (!value_eq(&a->v[i], &b->v[i]))
			return false;
	return true;
}

static bool record_eq(const struct record *a, const struct record *b)
{
	if (a->shape != b->shape)
		return false;
	for (size_t i = 0; a->shape->fields[i].name; i++)
		if (!value_eq(&a->v[i], &b->v[i]))
			return false;
	return true;
}

/* A uri may be written as text: both are compared as such. */
static bool is_text(const struct value *v)
{
	return v->type == T_STR || v->type == T_URI;
}

bool value_eq(const struct value *a, const struct value *b)
{
	if (is_text(a) && is_text(b))
		return str_eq(a->u.s, b->u.s);
	if (a->type != b->type)
		return false;
	switch (a->type) {
	case T_NULL:
		return true;
	case T_BOOL:
		return a->u.b == b->u.b;
	case T_INT:
	case T_DURATION:
	case T_SIZE:
		return a->u.i == b->u.i;
	case T_CIDR:
		return a->prefix == b->prefix && addr_ip_eq(a->u.ip, b->u.ip);
	case T_IP:
		return addr_ip_eq(a->u.ip, b->u.ip);
	case T_LIST:
		return list_eq(a->u.list, b->u.list);
	case T_RECORD:
		return record_eq(a->u.rec, b->u.rec);
	case T_REGEX:
		return a->u.regex == b->u.regex;
	default:
		return false;
	}
}

/* --- copies --- */

static enum err copy_values(struct arena *a, const struct value *v, size_t n, const struct value **out)
{
	struct value *own = arena_alloc(a, (n ? n : 1) * sizeof(*own));

	for (size_t i = 0; own && i < n; i++)
		if (value_copy(a, &v[i], &own[i]))
			return ERR_NOMEM;
	*out = own;
	return own ? OK : ERR_NOMEM;
}

static size_t field_count(const struct shape *s)
{
	size_t n = 0;

	while (s->fields[n].name)
		n++;
	return n;
}

/* Shapes made at run time are message lifetime, too. */
static const struct shape *copy_shape(struct arena *a, const struct shape *from)
{
	size_t        n = field_count(from);
	struct shape *s = ARENA_NEW(a, struct shape);
	struct field *f = arena_alloc(a, (n + 1) * sizeof(*f));

	if (!from->open)
		return from;
	if (!s || !f)
		return NULL;
	memcpy(f, from->fields, (n + 1) * sizeof(*f));
	for (size_t i = 0; i < n; i++) {
		size_t size = strlen(f[i].name) + 1;
		char  *name = arena_alloc(a, size);

		if (!name)
			return NULL;
		f[i].name = memcpy(name, f[i].name, size);
	}
	*s = *from;
	s->fields = f;
	return s;
}

static enum err copy_record(struct arena *a, const struct record *from, struct value *out)
{
	const struct shape *shape = copy_shape(a, from->shape);
	struct record      *rec = ARENA_NEW(a, struct record);

	if (!shape || !rec || copy_values(a, from->v, field_count(shape), &rec->v))
		return ERR_NOMEM;
	rec->shape = shape;
	*out = value_record(rec);
	return OK;
}

static enum err copy_list(struct arena *a, const struct list_value *from, struct value *out)
{
	struct list_value *l = ARENA_NEW(a, struct list_value);

	if (!l || copy_values(a, from->v, from->count, &l->v))
		return ERR_NOMEM;
	l->count = from->count;
	*out = (struct value){ .type = T_LIST, .u.list = l };
	return OK;
}

enum err value_copy(struct arena *a, const struct value *v, struct value *out)
{
	struct addr *ip;

	*out = *v;
	switch (v->type) {
	case T_STR: case T_URI:
		out->u.s = arena_dup(a, v->u.s);
		return out->u.s.p || !v->u.s.p ? OK : ERR_NOMEM;
	case T_IP: case T_CIDR:
		ip = ARENA_NEW(a, struct addr);
		if (!ip)
			return ERR_NOMEM;
		*ip = *v->u.ip;
		out->u.ip = ip;
		return OK;
	case T_LIST:
		return copy_list(a, v->u.list, out);
	case T_RECORD:
		return copy_record(a, v->u.rec, out);
	default:
		return OK;
	}
}
