/* What test blocks are made of. */
#include "script/test_form.h"

#include <stdio.h>
#include <time.h>

#define IN(kind) (1u << (kind))
enum {
	SEND = IN(STEP_SEND_REQUEST), ANSWER = IN(STEP_SEND_REPLY), REQUEST = IN(STEP_EXPECT_REQUEST), REPLY = IN(STEP_EXPECT_REPLY),
	NOTHING = IN(STEP_EXPECT_NOTHING), LOG = IN(STEP_EXPECT_LOG), USER = IN(GIVEN_USER), BINDING = IN(GIVEN_BINDING),
	PARTY = IN(GIVEN_PARTY), HOST = IN(GIVEN_HOST),
};

static const char *const transports[] = { "udp", "tcp", NULL };
static const char *const dialog[] = { "dialog", NULL };
static const char *const levels[] = { "error", "warn", "info", "debug", NULL };
static const char *const statuses[] = { "active", "disabled", NULL };
static const char *const switches[] = { "on", "off", NULL };

const struct attr_form attr_forms[] = {
	/* messages */
	{ "from", SEND, ATTR_URI }, { "from", REQUEST, ATTR_URI, true },
	{ "to", SEND, ATTR_URI }, { "to", REQUEST, ATTR_URI, true },
	{ "uri", SEND, ATTR_URI }, { "uri", REQUEST, ATTR_URI, true },
	{ "ruri", SEND, ATTR_URI }, { "ruri", REQUEST, ATTR_URI, true },
	{ "header", SEND | ANSWER | REQUEST | REPLY, ATTR_HEADER, true },
	{ "body", SEND | ANSWER, ATTR_TEXT }, { "body", REQUEST | REPLY, ATTR_TEXT, true },
	{ "type", SEND | ANSWER, ATTR_TEXT },
	{ "reason", ANSWER, ATTR_TEXT }, { "reason", REPLY, ATTR_TEXT, true },
	/* who, and where */
	{ "by", SEND | ANSWER, ATTR_PARTY },
	{ "source", SEND, ATTR_ADDRESS },
	{ "over", SEND | PARTY, ATTR_CHOICE, false, transports },
	{ "at", REQUEST | REPLY | NOTHING | BINDING, ATTR_PARTY }, { "at", PARTY | HOST, ATTR_ADDRESS },
	{ "in", SEND, ATTR_CHOICE, false, dialog },
	{ "route", SEND, ATTR_TEXT },
	{ "for", ANSWER, ATTR_METHOD },
	{ "username", SEND, ATTR_TEXT },
	{ "password", SEND | USER, ATTR_TEXT },
	/* when */
	{ "within", REQUEST | REPLY | NOTHING | LOG, ATTR_DURATION },
	{ "after", REQUEST | REPLY, ATTR_DURATION },
	{ "level", LOG, ATTR_CHOICE, false, levels },
	/* users, as the columns of the table of users; bindings */
	{ "status", USER, ATTR_CHOICE, false, statuses },
	{ "display_name", USER, ATTR_TEXT },
	{ "ring_time", USER, ATTR_SECONDS },
	{ "forward_always", USER, ATTR_URI }, { "forward_busy", USER, ATTR_URI },
	{ "forward_no_answer", USER, ATTR_URI }, { "forward_offline", USER, ATTR_URI },
	{ "voicemail", USER, ATTR_URI },
	{ "do_not_disturb", USER, ATTR_CHOICE, false, switches },
	{ "aliases", USER, ATTR_TEXT },
	{ "permissions", USER, ATTR_TEXT },
	{ "contact", BINDING, ATTR_URI },
	{ "path", BINDING, ATTR_TEXT },
	{ "expires", BINDING, ATTR_SECONDS },
	{ "q", BINDING, ATTR_TEXT },
	{ 0 }
};

const struct attr_form *attr_form(struct str name, enum step_kind kind)
{
	const struct attr_form *other = NULL;

	for (const struct attr_form *f = attr_forms; f->name; f++) {
		if (!str_is(name, f->name))
			continue;
		if (f->steps & IN(kind))
			return f;
		other = f;
	}
	return other;
}

const char *step_words(enum step_kind kind)
{
	static const char *const words[STEP_COUNT] = {
		[STEP_SEND_REQUEST] = "send", [STEP_SEND_REPLY] = "send", [STEP_EXPECT_REQUEST] = "expect request", [STEP_EXPECT_REPLY] = "expect reply",
		[STEP_EXPECT_NOTHING] = "expect nothing", [STEP_EXPECT_LOG] = "expect log", [STEP_EXPECT_COUNTER] = "expect counter",
		[STEP_EXPECT_TABLE] = "expect", [STEP_WAIT] = "wait", [STEP_FAIL] = "fail", [STEP_RESTORE] = "restore", [GIVEN_PARTY] = "given party",
		[GIVEN_USER] = "given user", [GIVEN_DOMAIN] = "given domain", [GIVEN_BINDING] = "given binding", [GIVEN_HOST] = "given host",
		[GIVEN_TIME] = "given time", [GIVEN_SQL] = "given sql", [GIVEN_TABLE] = "given",
	};

	return words[kind];
}

const struct test_attr *test_attr(const struct test_step *s, const char *name)
{
	for (const struct test_attr *a = s->attrs; a; a = a->next)
		if (str_is(a->name, name))
			return a;
	return NULL;
}

enum err test_time_parse(struct str text, int64_t *out)
{
	static const char *const forms[] = { "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M" };
	char                     room[40];

	if (!str_cstr(text, room, sizeof(room)))
		return ERR_SYNTAX;
	for (size_t i = 0; i < COUNT_OF(forms); i++) {
		struct tm   tm = { 0 };
		const char *end = strptime(room, forms[i], &tm);

		if (!end || *end)
			continue;
		*out = timegm(&tm);
		return OK;
	}
	return ERR_SYNTAX;
}

enum err test_address_parse(struct str text, struct addr *out)
{
	ptrdiff_t  bracket = str_find(text, ']'), colon = str_find(str_from(text, bracket > 0 ? (size_t)bracket : 0), ':');
	struct str host = text;
	uint32_t   port = 5060;

	if (colon >= 0 && (bracket > 0 || str_find(str_from(text, (size_t)colon + 1), ':') < 0)) {
		host = str_to(text, (size_t)(colon + (bracket > 0 ? bracket : 0)));
		if (!str_u32(str_from(text, host.len + 1), &port) || !port || port > 65535)
			return ERR_SYNTAX;
	}
	if (host.len > 2 && host.p[0] == '[' && host.p[host.len - 1] == ']')
		host = str_n(host.p + 1, host.len - 2);
	return addr_parse(host, (uint16_t)port, out);
}
