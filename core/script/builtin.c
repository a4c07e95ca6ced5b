/* The table of the core's functions, and the small ones. */
#include "base/clock.h"
#include "script/background.h"
#include "script/avp.h"
#include "script/builtin.h"
#include "script/commands.h"
#include "script/event.h"
#include "script/sht.h"

enum { WHY_BYTES = 256 };	/* of a hook, module.h */

enum verdict give_text(struct call *c, struct str s)
{
	if (!s.p) {
		log_error(c->c, "no memory");
		return V_ERROR;
	}
	return give(c, value_str(s));
}

/* Text of an optional argument. */
struct str text_or_none(const struct value *v)
{
	return v->type == T_NULL ? STR_NONE : v->u.s;
}

bool one_line(struct str s)
{
	return str_find(s, '\r') < 0 && str_find(s, '\n') < 0 && str_find(s, '\0') < 0;
}

size_t keys_count(const struct call *c, size_t declared)
{
	return (c->argc - declared) / 2;
}

struct str key_name(const struct call *c, size_t declared, size_t i)
{
	return c->argv[declared + 2 * i].u.s;
}

struct value key_value(const struct call *c, size_t declared, size_t i)
{
	return c->argv[declared + 2 * i + 1];
}

static enum verdict fn_is_method(struct call *c)
{
	struct str rest = c->argv[0].u.s;
	bool       yes = false;

	while (rest.len && !yes)
		yes = str_eq(str_trim(str_take_until(&rest, '|')), c->req->msg.method_name);
	c->result = value_bool(yes);
	return V_OK;
}

static enum verdict fn_has_totag(struct call *c)
{
	c->result = value_bool(msg_to_tag(&c->req->msg).len > 0);
	return V_OK;
}

static enum verdict fn_type(struct call *c)
{
	return give(c, value_str(str_of(vtype_name(c->argv[0].type))));
}

static enum verdict fn_record_route(struct call *c)
{
	c->req->record_route = true;
	return V_OK;
}

enum { REPLY_CODE, REPLY_REASON, REPLY_HEADERS, REPLY_BODY, REPLY_TYPE };

static bool reply_ok(const struct reply *r, int64_t code)
{
	return code >= 100 && code <= 699 && one_line(r->reason) && one_line(r->body_type) && headers_ok(r->headers);
}

static enum verdict fn_send_reply(struct call *c)
{
	int64_t      code = c->argv[REPLY_CODE].u.i;
	struct reply r = {
		.status = (uint16_t)code, .reason = text_or_none(&c->argv[REPLY_REASON]), .headers = text_or_none(&c->argv[REPLY_HEADERS]),
		.body = text_or_none(&c->argv[REPLY_BODY]), .body_type = text_or_none(&c->argv[REPLY_TYPE]),
	};
	enum err err;

	if (!r.body.len)
		r.body_type = STR_NONE;
	if (!reply_ok(&r, code)) {
		log_error(c->c, "send_reply(): not a reply code, reason, header fields and type");
		return V_ERROR;
	}
	err = request_reply_full(c->req, &r);
	if (err && err != ERR_STATE && err != ERR_EXISTS)
		log_warn(c->c, "answer not sent code=%d reason=%s", (int)code, err_name(err));
	return code >= 200 || err ? V_END : V_OK;
}

/* xlog("text"), xlog("L_WARN", "text") */
bool level_of(struct str s, enum log_level *out)
{
	static const struct { const char *name; enum log_level level; } names[] = {
		{ "error", LOG_ERROR }, { "err", LOG_ERROR }, { "crit", LOG_ERROR }, { "alert", LOG_ERROR }, { "warn", LOG_WARN },
		{ "warning", LOG_WARN }, { "notice", LOG_INFO }, { "info", LOG_INFO }, { "debug", LOG_DEBUG }, { "dbg", LOG_DEBUG },
	};

	if (str_istarts(s, STR("L_")))
		s = str_from(s, 2);
	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (str_ieqz(s, names[i].name)) {
			*out = names[i].level;
			return true;
		}
	return false;
}

enum verdict fn_xlog(struct call *c)
{
	bool           with_level = c->argv[1].type != T_NULL;
	struct str     text = c->argv[with_level].u.s;
	enum log_level level = LOG_INFO;

	if (with_level && !level_of(c->argv[0].u.s, &level)) {
		log_error(c->c, "xlog(): no level \"" STR_FMT "\"", STR_ARG(c->argv[0].u.s));
		return V_ERROR;
	}
	while (text.len && (text.p[text.len - 1] == '\n' || text.p[text.len - 1] == '\r'))
		text.len--;	/* other servers want the line end said */
	if (log_get_level() >= level)
		log_text(level, c->c, text);
	return V_OK;
}

/* --- sleep --- */

struct sleeper {
	struct timer timer;	/* private wheel */
	struct wait *wait;
};

static void wake(struct timer *t)
{
	struct sleeper *s = CONTAINER(t, struct sleeper, timer);

	call_resume(s->wait, V_OK, V_NULL);	/* ends the arena that s lies in, perhaps */
}

enum verdict fn_sleep(struct call *c)
{
	uint32_t        ms = (uint32_t)c->argv[0].u.i;
	struct sleeper *s = ARENA_NEW(c->c->arena, struct sleeper);

	if (!s)
		return V_ERROR;
	s->wait = call_suspend(c, ms + 1000);
	if (!s->wait)
		return V_END;
	timer_init(&s->timer, wake);
	wheel_arm(loop_wheel(script_loop()), &s->timer, clock_ms() + ms);
	return V_SUSPEND;
}

/* --- log("text", level = "warn", user = $fU) --- */

enum { LOG_TEXT, LOG_LEVEL, LOG_DECLARED };

/* A value with blanks or quotes in it is put in quotes, so that a line can be taken apart again. */
static void add_log_value(struct buf *out, struct str s)
{
	bool plain = s.len > 0;

	for (size_t i = 0; i < s.len; i++)
		plain = plain && (unsigned char)s.p[i] > ' ' && s.p[i] != '"' && s.p[i] != '\\' && s.p[i] != '=';
	if (plain) {
		buf_add(out, s);
		return;
	}
	buf_ch(out, '"');
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			buf_ch(out, '\\');
		buf_ch(out, s.p[i]);
	}
	buf_ch(out, '"');
}

static enum verdict fn_log(struct call *c)
{
	enum log_level level;
	char           room[2048];
	struct buf     out = buf_on(room, sizeof(room));

	if (!level_of(c->argv[LOG_LEVEL].u.s, &level)) {
		log_error(c->c, "log(): no level \"" STR_FMT "\"", STR_ARG(c->argv[LOG_LEVEL].u.s));
		return V_ERROR;
	}
	if (log_get_level() < level)
		return V_OK;
	buf_add(&out, str_to(c->argv[LOG_TEXT].u.s, sizeof(room) / 2));
	for (size_t i = 0; i < keys_count(c, LOG_DECLARED); i++) {
		struct value v = key_value(c, LOG_DECLARED, i);
		struct str   text = value_text(c->c->arena, &v);

		buf_printf(&out, " " STR_FMT "=", STR_ARG(key_name(c, LOG_DECLARED, i)));
		add_log_value(&out, text);
	}
	log_text(level, c->c, buf_str(&out));
	return V_OK;
}

/* --- the table --- */

static const char *const levels[] = { "error", "warn", "info", "debug", NULL };

static const struct mod_arg host_args[] = { { "host", T_ANY }, { 0 } };
static const struct mod_arg methods_args[] = { { "methods", T_STR }, { 0 } };
static const struct mod_arg name_args[] = { { "name", T_STR }, { 0 } };
static const struct mod_arg field_args[] = { { "field", T_STR }, { "value", T_STR, .optional = true }, { 0 } };
static const struct mod_arg to_args[] = { { "to", T_STR, .optional = true }, { 0 } };
static const struct mod_arg xlog_args[] = { { "level_or_text", T_STR }, { "text", T_STR, .optional = true }, { 0 } };
static const struct mod_arg log_args[] = { { "text", T_STR }, { "level", T_STR, .preset = "\"info\"", .choices = levels }, { 0 } };
static const struct mod_arg reply_args[] = {
	{ "code", T_INT, .min = 100, .max = 699 }, { "reason", T_STR, .optional = true }, { "headers", T_STR, .optional = true },
	{ "body", T_STR, .optional = true }, { "type", T_STR, .preset = "\"text/plain\"" }, { 0 },
};
static const struct mod_arg branch_args[] = {
	{ "uri", T_STR, .literal = uri_ok }, { "after", T_DURATION, .optional = true, .min = 1, .max = 600000 }, { 0 },
};
static const struct mod_arg path_args[] = { { "at", T_STR, .optional = true }, { 0 } };
static const struct mod_arg relay_args[] = {
	{ "timeout", T_DURATION, .optional = true, .min = 1, .max = 86400000 }, { "to", T_STR, .optional = true },
	{ "on_branch", T_STR, .optional = true }, { "on_reply", T_STR, .optional = true }, { 0 },
};
static const struct mod_arg type_args[] = { { "type", T_STR, .optional = true }, { 0 } };
static const struct mod_arg subst_args[] = {
	{ "text", T_STR }, { "pattern", T_REGEX }, { "replacement", T_STR }, { "all", T_BOOL, .preset = "false" }, { 0 },
};
static const struct mod_arg nat_args[] = {
	{ "private_contact", T_BOOL, .preset = "false" }, { "diff_source", T_BOOL, .preset = "false" }, { "diff_port", T_BOOL, .preset = "false" },
	{ "diff_contact", T_BOOL, .preset = "false" }, { "private_via", T_BOOL, .preset = "false" }, { "private_sdp", T_BOOL, .preset = "false" }, { 0 },
};
static const struct mod_arg sleep_args[] = { { "time", T_DURATION, .min = 1, .max = 3600000 }, { 0 } };
static const struct mod_arg count_args[] = { { "counter", T_STR }, { "by", T_INT, .preset = "1" }, { 0 } };
static const struct mod_arg counter_args[] = { { "counter", T_STR }, { 0 } };
/* methods: what stands before the dot comes first */
static const struct mod_arg text_self[] = { { "text", T_STR }, { 0 } };
static const struct mod_arg text_chars[] = { { "text", T_STR }, { "count", T_INT, .min = 0, .max = 65535 }, { 0 } };
static const struct mod_arg text_with[] = { { "text", T_STR }, { "with", T_STR }, { 0 } };
static const struct mod_arg text_country[] = { { "text", T_STR }, { "country", T_STR, .optional = true }, { 0 } };
static const struct mod_arg text_name[] = { { "uri", T_URI }, { "parameter", T_STR }, { 0 } };
static const struct mod_arg uri_parts[] = {
	{ "uri", T_URI }, { "user", T_STR, .optional = true }, { "host", T_STR, .optional = true }, { "port", T_INT, .optional = true, .min = 1, .max = 65535 },
	{ "params", T_STR, .optional = true }, { 0 },
};
static const struct mod_arg text_part[] = {
	{ "text", T_STR }, { "from", T_INT }, { "count", T_INT, .optional = true, .min = 0, .max = INT32_MAX }, { 0 },
};
static const struct mod_arg text_by[] = { { "text", T_STR }, { "separator", T_STR }, { 0 } };
static const struct mod_arg text_part_of[] = { { "text", T_STR }, { "part", T_STR }, { 0 } };
static const struct mod_arg text_replace[] = { { "text", T_STR }, { "what", T_STR }, { "with", T_STR }, { 0 } };
static const struct mod_arg hmac_args[] = { { "text", T_STR }, { "key", T_STR }, { "algorithm", T_STR, .preset = "\"sha256\"", .choices = digest_names }, { 0 } };
static const struct mod_arg uri_part[] = { { "uri", T_URI }, { "name", T_STR, .choices = uri_part_names }, { "value", T_ANY }, { 0 } };
static const struct mod_arg text_pattern[] = { { "text", T_STR }, { "pattern", T_REGEX }, { 0 } };
static const struct mod_arg list_self[] = { { "list", T_LIST }, { 0 } };
static const struct mod_arg list_part[] = {
	{ "list", T_LIST }, { "from", T_INT, .min = 0, .max = INT32_MAX }, { "count", T_INT, .optional = true, .min = 0, .max = INT32_MAX }, { 0 },
};
static const struct mod_arg list_item[] = { { "list", T_LIST }, { "item", T_ANY }, { 0 } };
static const struct mod_arg list_by[] = { { "list", T_LIST }, { "separator", T_STR, .preset = "\", \"" }, { 0 } };
static const struct mod_arg two_numbers[] = { { "a", T_INT }, { "b", T_INT }, { 0 } };
static const struct mod_arg one_number[] = { { "number", T_INT }, { 0 } };
static const struct mod_arg below_args[] = { { "below", T_INT, .min = 1, .max = UINT32_MAX }, { 0 } };
static const struct mod_arg any_value[] = { { "value", T_ANY }, { 0 } };
static const struct mod_arg weekday_args[] = { { "zone", T_STR, .optional = true, .literal = zone_ok }, { "at", T_INT, .optional = true }, { 0 } };
static const struct mod_arg date_args[] = { { "form", T_STR, .preset = "\"%Y-%m-%d %H:%M:%S\"" }, { "zone", T_STR, .optional = true, .literal = zone_ok },
					  { "at", T_INT, .optional = true }, { 0 } };
static const struct mod_arg range_args[] = { { "range", T_STR, .literal = time_range_ok }, { "zone", T_STR, .optional = true, .literal = zone_ok },
					   { "at", T_INT, .optional = true }, { 0 } };

enum {
	IN_MESSAGE = IN_REQUEST | IN_DIALOG | IN_BRANCH | IN_REPLY,
	SAME = F_METHOD | F_AS_FIRST,
};

const struct mod_func core_funcs[] = {
	/* what becomes of the request */
	{ "send_reply", fn_send_reply, reply_args, .where = IN_REQUEST | IN_DIALOG, .flags = F_ENDS_FINAL | F_SAYS | F_REPLY_CODE,
	  .help = "answer the request; a final code (200 and above) ends the run. headers: \"Name: value\\r\\n\" each; body with its type" },
	{ "relay", fn_relay, relay_args, T_RECORD, .shape = &answer_shape, .where = IN_REQUEST | IN_DIALOG,
	  .flags = F_SAYS | F_SUSPENDS | F_WAITS_IF_USED,
	  .help = "send the request on to its targets, remembering it; where the result is used, wait for the final answer" },
	{ "forward", fn_forward, to_args, .where = IN_REQUEST | IN_DIALOG, .flags = F_ENDS | F_SAYS | F_STATELESS,
	  .help = "send the request on without remembering it" },
	{ "add_branch", fn_add_branch, branch_args, .where = IN_REQUEST,
	  .help = "one more target for relay(); with `after` it joins the phones that ring then, or rings alone when none does any more" },
	{ "record_route", fn_record_route, NULL, .where = IN_REQUEST, .help = "stay on the path of the dialog that this request begins" },
	{ "add_path", fn_add_path, path_args, .where = IN_REQUEST,
	  .help = "put this server into the Path of a REGISTER (RFC 3327), so that what the registrar sends to that phone comes back through here, on the flow "
		  "it registered by. at: host:port where the registrar reaches us" },
	{ "sleep", fn_sleep, sleep_args, .where = IN_ANY, .flags = F_SUSPENDS, .help = "wait; nobody else does" },
	/* the message */
	{ "is_method", fn_is_method, methods_args, T_BOOL, .where = IN_MESSAGE, .help = "is the method one of these: \"INVITE|MESSAGE\"?" },
	{ "has_totag", fn_has_totag, NULL, T_BOOL, .where = IN_MESSAGE, .help = "does it belong to a dialog?" },
	{ "append_hf", fn_append_hf, field_args, .where = IN_MESSAGE, .help = "add a header field behind the others: \"Name: value\", or name and value" },
	{ "insert_hf", fn_insert_hf, field_args, .where = IN_MESSAGE, .help = "add a header field in front of those of its name, or of all" },
	{ "remove_hf", fn_remove_hf, name_args, T_BOOL, .where = IN_MESSAGE, .help = "take out all header fields of that name; was there one?" },
	{ "is_present_hf", fn_is_present_hf, name_args, T_BOOL, .where = IN_MESSAGE, .help = "is there a header field of that name?" },
	{ "has_body", fn_has_body, type_args, T_BOOL, .where = IN_MESSAGE, .help = "is there a body, of that type (\"application/sdp\") where one is given?" },
	/* where it comes from */
	{ "is_local", fn_is_local, host_args, T_BOOL, .where = IN_ANY, .flags = F_MAY_END, .help = "is that host, or address, one of ours? 503 while the table of domains has not been read yet; false where no request can be answered, as in a branch_route" },
	{ "nat_uac_test", fn_nat_uac_test, nat_args, T_BOOL, .where = IN_MESSAGE,
	  .help = "is the sender behind a NAT by one of the signs named: nat_uac_test(private_contact, diff_source)? A private address in Contact, Via or SDP; "
		  "Via's address, Via's port or Contact's address other than the source" },
	/* uris */
	{ "uri", fn_uri, text_self, T_URI, .nullable = true, .where = IN_ANY, .help = "the text as a uri, null where it is none; its fields: u.scheme, u.user, u.host, u.port …" },
	{ "param", fn_param, text_name, T_STR, .nullable = true, .where = IN_ANY, .flags = F_METHOD, .help = "a parameter of the uri; empty where it has no value, null where it is not there" },
	{ "with", fn_with, uri_parts, T_URI, .where = IN_ANY, .flags = F_METHOD, .help = "the uri with other parts: $ru.with(host = \"a.example\", port = 5070)" },
	{ "part", fn_part, uri_part, T_URI, .where = IN_ANY, .flags = F_METHOD, .help = "the uri with that part changed, null takes it out; `$ru.port = 5070;` is short for it" },
	{ "strip", fn_strip, text_chars, T_STR, .where = IN_ANY, .flags = SAME, .help = "without its first characters; of a uri: those of its user" },
	{ "strip_tail", fn_strip_tail, text_chars, T_STR, .where = IN_ANY, .flags = SAME, .help = "without its last characters; of a uri: those of its user" },
	{ "prefix", fn_prefix, text_with, T_STR, .where = IN_ANY, .flags = SAME, .help = "with that in front; of a uri: in front of its user" },
	{ "e164", fn_e164, text_country, T_STR, .nullable = true, .where = IN_ANY, .flags = F_METHOD,
	  .help = "the number, or the user of the uri, in full: +49301234; null where it is none. country (\"49\") completes national numbers (0…)" },
	/* texts */
	{ "lower", fn_lower, text_self, T_STR, .where = IN_ANY, .flags = SAME, .help = "in small letters (ASCII)" },
	{ "upper", fn_upper, text_self, T_STR, .where = IN_ANY, .flags = SAME, .help = "in capitals (ASCII)" },
	{ "trim", fn_trim, text_self, T_STR, .where = IN_ANY, .flags = F_METHOD, .help = "without white space at either end" },
	{ "length", fn_length, text_self, T_INT, .where = IN_ANY, .flags = F_METHOD, .help = "how many bytes" },
	{ "starts", fn_starts, text_with, T_BOOL, .where = IN_ANY, .flags = F_METHOD, .help = "does it begin with that?" },
	{ "ends", fn_ends, text_with, T_BOOL, .where = IN_ANY, .flags = F_METHOD, .help = "does it end with that?" },
	{ "substr", fn_substr, text_part, T_STR, .where = IN_ANY, .flags = F_METHOD, .help = "from a place (from 0; negative: from the end), so many bytes or all that follow" },
	{ "find", fn_find, text_part_of, T_INT, .nullable = true, .where = IN_ANY, .flags = F_METHOD, .help = "where that text stands in it (from 0), null where it does not" },
	{ "replace", fn_replace, text_replace, T_STR, .where = IN_ANY, .flags = SAME, .help = "with every occurrence of a text replaced by another; subst() does it by regular expression" },
	{ "split", fn_split, text_by, T_LIST, .where = IN_ANY, .flags = F_METHOD, .help = "the pieces between the separators; none of an empty text", .item = T_STR },
	{ "int", fn_int, text_self, T_INT, .nullable = true, .where = IN_ANY, .flags = F_METHOD, .help = "the number it spells, null where it spells none" },
	{ "ip", fn_ip, text_self, T_IP, .nullable = true, .where = IN_ANY, .flags = F_METHOD, .help = "the address it spells, null where it spells none" },
	{ "match", fn_match, text_pattern, T_LIST, .nullable = true, .where = IN_ANY, .flags = F_METHOD, .help = "the match and its groups, null where there is none", .item = T_STR },
	{ "subst", fn_subst, subst_args, T_STR, .where = IN_ANY, .flags = F_AS_FIRST,
	  .help = "the text with what matches replaced; $1 to $9 are the groups, $0 the whole match. all: every match, not the first alone" },
	/* lists and numbers */
	{ "count", fn_count_items, list_self, T_INT, .where = IN_ANY, .flags = F_METHOD, .help = "how many elements" },
	{ "first", fn_first, list_self, T_ANY, .nullable = true, .where = IN_ANY, .flags = F_METHOD, .help = "its first element, null where it has none" },
	{ "last", fn_last, list_self, T_ANY, .nullable = true, .where = IN_ANY, .flags = F_METHOD, .help = "its last element, null where it has none" },
	{ "slice", fn_slice, list_part, T_LIST, .where = IN_ANY, .flags = F_METHOD, .help = "from a place (from 0), so many elements or all that follow" },
	{ "append", fn_append, list_item, T_LIST, .where = IN_ANY, .flags = F_METHOD, .help = "a list with one more element" },
	{ "reverse", fn_reverse, list_self, T_LIST, .where = IN_ANY, .flags = F_METHOD, .help = "the other way round" },
	{ "sort", fn_sort, list_self, T_LIST, .where = IN_ANY, .flags = F_METHOD, .help = "in order: numbers by size, texts by their bytes" },
	{ "unique", fn_unique, list_self, T_LIST, .where = IN_ANY, .flags = F_METHOD, .help = "each element once" },
	{ "shuffle", fn_shuffle, list_self, T_LIST, .where = IN_ANY, .flags = F_METHOD, .help = "in an order that chance decides, for spreading load" },
	{ "join", fn_join, list_by, T_STR, .where = IN_ANY, .flags = F_METHOD, .help = "its elements as text, with the separator between them" },
	{ "min", fn_min, two_numbers, T_INT, .where = IN_ANY, .help = "the smaller of two numbers" },
	{ "max", fn_max, two_numbers, T_INT, .where = IN_ANY, .help = "the larger of two numbers" },
	{ "abs", fn_abs, one_number, T_INT, .where = IN_ANY, .help = "the number without its sign" },
	{ "random", fn_random, below_args, T_INT, .where = IN_ANY, .help = "a number from 0 to one less than that; cannot be guessed" },
	/* time */
	{ "now", fn_now, NULL, T_INT, .where = IN_ANY, .help = "seconds since 1970" },
	{ "weekday", fn_weekday, weekday_args, T_STR, .where = IN_ANY, .help = "Mon, Tue, Wed, Thu, Fri, Sat or Sun, in that zone (\"Europe/Berlin\") or the system's; now, or at that second since 1970" },
	{ "date", fn_date, date_args, T_STR, .where = IN_ANY, .help = "now, or that second since 1970, as strftime(3) writes it" },
	{ "time_in", fn_time_in, range_args, T_BOOL, .where = IN_ANY,
	  .help = "is it one of these times: \"Mon-Fri 08:00-18:00, Sat 09:00-12:00, 12-24..12-26, 2027-05-01 22:00-06:00\"? What goes over midnight belongs to the day it begins on" },
	/* digests, encodings, JSON */
	{ "md5", fn_md5, text_self, T_STR, .where = IN_ANY, .help = "digest in hexadecimal" },
	{ "sha256", fn_sha256, text_self, T_STR, .where = IN_ANY, .help = "digest in hexadecimal" },
	{ "sha1", fn_sha1, text_self, T_STR, .where = IN_ANY, .help = "digest in hexadecimal" },
	{ "sha512", fn_sha512, text_self, T_STR, .where = IN_ANY, .help = "digest in hexadecimal" },
	{ "hmac", fn_hmac, hmac_args, T_STR, .where = IN_ANY, .help = "keyed digest of the text (RFC 2104) in hexadecimal; algorithm: md5, sha1, sha256 or sha512" },
	{ "hash", fn_hash, text_self, T_INT, .where = IN_ANY, .help = "a number that is always the same for the same text, for spreading load: hash($ci) % 4" },
	{ "base64_encode", fn_base64_encode, text_self, T_STR, .where = IN_ANY, .help = "in base64" },
	{ "base64_decode", fn_base64_decode, text_self, T_STR, .nullable = true, .where = IN_ANY, .help = "from base64, null where it is none" },
	{ "hex_encode", fn_hex_encode, text_self, T_STR, .where = IN_ANY, .help = "in hexadecimal" },
	{ "hex_decode", fn_hex_decode, text_self, T_STR, .nullable = true, .where = IN_ANY, .help = "from hexadecimal, null where it is none" },
	{ "url_encode", fn_url_encode, text_self, T_STR, .where = IN_ANY, .help = "as a part of a URL (%HH)" },
	{ "url_decode", fn_url_decode, text_self, T_STR, .nullable = true, .where = IN_ANY, .help = "the other way, null where a % is not followed by two digits" },
	{ "type", fn_type, any_value, T_STR, .where = IN_ANY, .help = "the name of its type: null, bool, int, string …" },
	{ "record", fn_record, NULL, T_RECORD, .where = IN_ANY, .flags = F_KEYS, .help = "a record of the fields given: record(user = $fU, code = 486)" },
	{ "json_read", fn_json_read, text_self, T_ANY, .nullable = true, .where = IN_ANY, .help = "what a JSON text says, null where it is none: j.name, j[\"any name\"], j[0]" },
	{ "json_write", fn_json_write, any_value, T_STR, .where = IN_ANY, .help = "the value as JSON" },
	/* the operator */
	{ "xlog", fn_xlog, xlog_args, .where = IN_ANY, .help = "a log line; the level first (\"warn\", \"L_WARN\"), else info" },
	{ "log", fn_log, log_args, .where = IN_ANY, .flags = F_KEYS, .help = "a log line: log(\"no route\", level = \"warn\", user = $fU)" },
	{ "count", fn_count, count_args, .where = IN_ANY, .flags = F_COUNTER, .help = "count in script.NAME, shown by siparioctl stats" },
	{ "counter", fn_counter, counter_args, T_INT, .where = IN_ANY, .flags = F_COUNTER, .help = "what script.NAME has counted" },
	{ 0 },
};

static enum err start(char *why)
{
	enum err err = sht_start(why, WHY_BYTES);

	avp_start();
	if (!err)
		err = sht_load_boot(why, WHY_BYTES);
	if (!err)
		err = background_start(why, WHY_BYTES);
	return err || !script_now() ? err : script_bind(script_now(), why, WHY_BYTES);
}

static struct counter *counters[] = { &sht_full, NULL };

const struct module core_module = {
	.abi = MODULE_ABI, .name = "core", .help = "what every script has", .params = core_settings, .funcs = core_funcs, .vars = core_vars, .counters = counters, .events = core_events,
	.commands = script_commands, .start = start, .stop = background_stop,
};

enum err script_boot(void)
{
	enum err err = module_register(&core_module);

	return err == ERR_EXISTS ? OK : err;
}
