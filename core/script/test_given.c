/* What is given: before the server boots, and into its memory when it runs. */
#include "base/clock.h"
#include "base/crypto.h"
#include "module/services.h"
#include "script/sht.h"
#include "script/test_bench.h"

#include <stdarg.h>
#include <stdio.h>

bool bench_fail(struct bench *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(b->why, sizeof(b->why), fmt, ap);
	va_end(ap);
	return false;
}

struct str attr_text(struct bench *b, const struct test_step *s, const char *name, struct str otherwise)
{
	const struct test_attr *a = test_attr(s, name);
	struct str              text = !a ? otherwise : a->value->kind == EX_NAME ? a->value->u.name : value_text(&b->arena, &a->value->u.value);

	return text.p ? text : otherwise;
}

uint32_t attr_ms(const struct test_step *s, const char *name, uint32_t otherwise)
{
	const struct test_attr *a = test_attr(s, name);

	if (!a || a->value->u.value.type != T_DURATION)
		return otherwise;
	return a->value->u.value.u.i > UINT32_MAX ? UINT32_MAX : (uint32_t)a->value->u.value.u.i;
}

/* --- parties --- */

static struct test_party *party_add(struct bench *b, struct str name, const struct addr *addr, enum transport over)
{
	struct test_party **at = &b->parties, *p = ARENA_NEW(&b->arena, struct test_party);
	char                room[ADDR_TEXT];

	if (!p)
		return NULL;
	p->addr = *addr;
	p->over = over;
	p->host_port = arena_dup(&b->arena, addr_text(addr, room));
	p->name = name.len ? name : p->host_port;
	while (*at)
		at = &(*at)->next;
	*at = p;
	return p->host_port.p ? p : NULL;
}

struct test_party *party_named(struct bench *b, struct str name)
{
	struct addr addr;

	for (struct test_party *p = b->parties; p; p = p->next)
		if (str_eq(p->name, name))
			return p;
	if (!str_is(name, TEST_PARTY) || addr_parse(STR(TEST_ADDRESS), 5060, &addr))
		return NULL;
	return party_add(b, STR(TEST_PARTY), &addr, TP_UDP);
}

struct test_party *party_at(struct bench *b, const struct addr *addr, enum transport over)
{
	for (struct test_party *p = b->parties; p; p = p->next)
		if (addr_eq(&p->addr, addr))
			return p;
	return party_add(b, STR_NONE, addr, over);
}

bool address_of(struct bench *b, const struct expr *e, struct addr *out)
{
	struct test_party *p = e->kind == EX_NAME ? party_named(b, e->u.name) : NULL;
	struct str         text = e->kind == EX_NAME ? STR("") : value_text(&b->arena, &e->u.value);

	if (p)
		*out = p->addr;
	else if (e->kind == EX_NAME)
		return bench_fail(b, "no party " STR_FMT, STR_ARG(e->u.name));
	else if (!text.p || test_address_parse(text, out))
		return bench_fail(b, "\"" STR_FMT "\" is not an address", STR_ARG(text));
	return true;
}

static bool given_party(struct bench *b, const struct test_step *s)
{
	struct addr    addr;
	enum transport over = transport_of(attr_text(b, s, "over", STR("udp")));

	if (!address_of(b, test_attr(s, "at")->value, &addr))
		return false;
	return party_add(b, s->name, &addr, over) || bench_fail(b, "no memory");
}

static bool given_host(struct bench *b, const struct test_step *s)
{
	struct addr addr;
	char        host[256], ip[ADDR_TEXT + 1];
	struct buf  out = buf_on(ip, ADDR_TEXT);

	if (!address_of(b, test_attr(s, "at")->value, &addr))
		return false;
	addr_ip_write(&addr, &out);
	ip[out.len] = '\0';
	if (!str_cstr(s->value->u.value.u.s, host, sizeof(host)))
		return bench_fail(b, "the name is too long");
	sim_name(host, ip);
	return true;
}

/* --- the database --- */

static struct str lower(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.len + 1);

	for (size_t i = 0; p && i < s.len; i++)
		p[i] = ch_lower(s.p[i]);
	return p ? str_n(p, s.len) : STR_NONE;
}

static enum err add_domain(struct bench *b, struct db *d, struct str name, char *why, size_t cap)
{
	const struct db_value v[] = { db_text(lower(&b->arena, name)) };

	return db_exec(d, "INSERT INTO domains (name) VALUES ($1) ON CONFLICT DO NOTHING", v, 1, NULL, NULL, why, cap);
}

static struct db_value text_or_null(struct bench *b, const struct test_step *s, const char *name)
{
	struct str text = attr_text(b, s, name, STR_NONE);

	return text.p ? db_text(text) : db_null();
}

/* One row for each word of a user's: $1 the word, $2 and $3 the user. */
#define OF_USER "(SELECT id FROM users WHERE name = $2 AND domain = $3)"
static const char ADD_ALIAS[] = "INSERT INTO aliases (name, domain, user_id) VALUES ($1, $3, " OF_USER ")";
static const char ADD_PERMISSION[] = "INSERT INTO user_permissions (class, user_id) VALUES ($1, " OF_USER ")";

static enum err add_each(struct db *d, struct str words, const char *sql, const struct db_value *user, char *why, size_t cap)
{
	enum err err = OK;

	while (!err && words.len) {
		const struct db_value v[] = { db_text(str_take_until(&words, ' ')), user[0], user[1] };

		if (v[0].s.len)
			err = db_exec(d, sql, v, COUNT_OF(v), NULL, NULL, why, cap);
	}
	return err;
}

static enum err add_user(struct bench *b, struct db *d, const struct test_step *s, char *why, size_t cap)
{
	static const char insert[] = "INSERT INTO users (name, domain, ha1_md5, ha1_sha256, status, display_name, ring_time, forward_always, forward_busy, "
				     "forward_no_answer, forward_offline, voicemail, do_not_disturb) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
	struct str        domain = s->value->u.value.u.s, name = str_take_until(&domain, '@'), password = attr_text(b, s, "password", STR_NONE);
	struct ha1        ha1;
	bool              secret = password.p && !ha1_make(name, domain = lower(&b->arena, domain), password, &ha1);
	const struct db_value v[] = {
		db_text(name), db_text(lower(&b->arena, domain)), secret ? db_text(str_n(ha1.md5, sizeof(ha1.md5))) : db_null(),
		secret ? db_text(str_n(ha1.sha256, sizeof(ha1.sha256))) : db_null(), db_text(attr_text(b, s, "status", STR("active"))),
		db_text(attr_text(b, s, "display_name", STR(""))), test_attr(s, "ring_time") ? db_int(attr_ms(s, "ring_time", 0) / 1000) : db_null(),
		text_or_null(b, s, "forward_always"), text_or_null(b, s, "forward_busy"), text_or_null(b, s, "forward_no_answer"),
		text_or_null(b, s, "forward_offline"), text_or_null(b, s, "voicemail"), db_int(str_is(attr_text(b, s, "do_not_disturb", STR("off")), "on")),
	};
	enum err err = add_domain(b, d, domain, why, cap);

	if (!err)
		err = db_exec(d, insert, v, COUNT_OF(v), NULL, NULL, why, cap);
	if (!err)
		err = add_each(d, attr_text(b, s, "aliases", STR("")), ADD_ALIAS, v, why, cap);
	return err ? err : add_each(d, attr_text(b, s, "permissions", STR("")), ADD_PERMISSION, v, why, cap);
}

static enum err fill_from(struct bench *b, const struct test_step *list, struct db *d, char *why, size_t cap)
{
	enum err err = OK;

	for (const struct test_step *s = list; s && !err; s = s->next) {
		if (s->kind == GIVEN_USER)
			err = add_user(b, d, s, why, cap);
		else if (s->kind == GIVEN_DOMAIN)
			err = add_domain(b, d, s->value->u.value.u.s, why, cap);
		else if (s->kind == GIVEN_SQL) {
			struct str sql = arena_printf(&b->arena, STR_FMT, STR_ARG(s->value->u.value.u.s));	/* with its NUL */

			err = sql.p ? db_exec(d, sql.p, NULL, 0, NULL, NULL, why, cap) : ERR_NOMEM;
		}
	}
	return err;
}

static enum err fill(struct db *d, void *arg, char *why, size_t cap)
{
	struct bench *b = arg;
	enum err      err = fill_from(b, b->prog->givens, d, why, cap);

	return err ? err : fill_from(b, b->test->steps, d, why, cap);
}

/* --- before and after the boot --- */

static bool before(struct bench *b, const struct test_step *list, struct sim_plan *plan)
{
	for (const struct test_step *s = list; s; s = s->next) {
		if (s->kind == GIVEN_PARTY && !given_party(b, s))
			return false;
		if (s->kind == GIVEN_HOST && !given_host(b, s))
			return false;
		if (s->kind == GIVEN_TIME && test_time_parse(s->value->u.value.u.s, &plan->start_unix))
			return bench_fail(b, "not a time");
	}
	return true;
}

bool givens_before(struct bench *b, struct sim_plan *plan)
{
	plan->fill = fill;
	plan->arg = b;
	return before(b, b->prog->givens, plan) && before(b, b->test->steps, plan);
}

struct saving {
	bool     done;
	enum err err;
};

static void saved(void *arg, enum err err)
{
	*(struct saving *)arg = (struct saving){ .done = true, .err = err };
}

static struct str contact_of(struct bench *b, const struct test_step *s, const struct test_party *p, const struct uri *aor)
{
	if (!p)
		return attr_text(b, s, "contact", STR_NONE);
	return arena_printf(&b->arena, "sip:" STR_FMT "@" STR_FMT "%s", STR_ARG(aor->user), STR_ARG(p->host_port), p->over == TP_TCP ? ";transport=tcp" : "");
}

static bool given_binding(struct bench *b, const struct test_step *s)
{
	const struct location_service *location = module_service("location");
	const struct test_party       *p = test_attr(s, "at") ? party_named(b, test_attr(s, "at")->value->u.name) : NULL;
	uint32_t                       expires = attr_ms(s, "expires", 3600000) / 1000;
	struct binding_change          change = { .expires = expires };
	struct location_save           save = { .n = 1, .change = &change, .max_contacts = 100, .cseq = 1 };
	struct saving                  k = { 0 };
	char                           key[300];
	struct buf                     aor = buf_on(key, sizeof(key));
	struct uri                     u;
	bool                           now = false;

	if (!location || uri_parse(s->value->u.value.u.s, &u))
		return bench_fail(b, "nothing keeps bindings here");
	uri_aor(&u, &aor);
	save.aor = buf_str(&aor);
	save.call_id = arena_printf(&b->arena, "given-%u", ++b->numbers);
	change.b = (struct binding){
		.contact = contact_of(b, s, p, &u), .call_id = save.call_id, .path = attr_text(b, s, "path", STR("")), .cseq = 1, .q = 1000,
		.expires_unix = clock_unix() + expires,
	};
	if (p)
		change.b.received = sim_flow_over(p->over, &p->addr);
	if (qvalue_parse(attr_text(b, s, "q", STR("1")), &change.b.q))
		return bench_fail(b, "q is 0 to 1: \"0.5\"");
	k.err = location->save(&save, &now, saved, &k);
	if (!k.err && !now)
		pass(b, 0);
	return (!k.err && (now || k.done)) || bench_fail(b, "the binding is not accepted: %s", err_name(k.err));
}

static bool given_table(struct bench *b, const struct test_step *s)
{
	struct sht_kept *t = sht_find(s->of->u.table.name);
	struct str       key = sht_key(&b->arena, &s->of->u.table.key->u.value);
	enum err         err = t && key.p ? sht_set(t, key, &s->value->u.value) : ERR_UNSUPPORTED;

	return !err || bench_fail(b, "the table does not take this: %s", err_name(err));
}

static bool after(struct bench *b, const struct test_step *list)
{
	for (const struct test_step *s = list; s; s = s->next) {
		if (s->kind == GIVEN_BINDING && !given_binding(b, s))
			return false;
		if (s->kind == GIVEN_TABLE && !given_table(b, s))
			return false;
	}
	return true;
}

bool givens_after(struct bench *b)
{
	return after(b, b->prog->givens) && after(b, b->test->steps);
}
