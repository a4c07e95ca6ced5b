/* The table of the core's functions, and the small ones. */
#include "script/builtin.h"

static bool is_own_address(struct str host)
{
	const struct listener *l;

	for (size_t i = 0; (l = net_listener_at(i)); i++)
		if (net_is_local(host, l->port, l->transport))
			return true;
	return false;
}

/* A served domain, or one of our addresses whatever the port: what is sent there is for us. */
static enum verdict fn_is_local(struct call *c)
{
	const struct value *v = &c->argv[0];
	char                room[ADDR_TEXT];
	struct buf          ip = buf_on(room, sizeof(room));
	struct str          host = STR_NONE;

	if (v->type == T_IP) {
		addr_ip_write(v->u.ip, &ip);
		host = buf_str(&ip);
	} else if (v->type == T_STR) {
		host = v->u.s;
	} else if (v->type != T_NULL) {
		log_error(c->c, "is_local(): expected a host name or an address, got %s", vtype_name(v->type));
		return V_ERROR;
	}
	c->result = value_bool(host.len && (script_is_local(host) || is_own_address(host)));
	return V_OK;
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

static enum verdict fn_record_route(struct call *c)
{
	c->req->record_route = true;
	return V_OK;
}

/* Text of an optional argument. */
static struct str text_or_none(const struct value *v)
{
	return v->type == T_NULL ? STR_NONE : v->u.s;
}

static bool reason_ok(struct str s)
{
	return str_find(s, '\r') < 0 && str_find(s, '\n') < 0;
}

static enum verdict fn_send_reply(struct call *c)
{
	int64_t    code = c->argv[0].u.i;
	struct str reason = text_or_none(&c->argv[1]), headers = text_or_none(&c->argv[2]);
	enum err   err;

	if (code < 100 || code > 699 || !reason_ok(reason) || !headers_ok(headers)) {
		log_error(c->c, "send_reply(): not a reply code, reason and header fields");
		return V_ERROR;
	}
	err = request_reply(c->req, (uint16_t)code, reason, headers);
	if (err && err != ERR_STATE && err != ERR_EXISTS)
		log_warn(c->c, "answer not sent code=%d reason=%s", (int)code, err_name(err));
	return code >= 200 || err ? V_END : V_OK;
}

/* xlog("text"), xlog("L_WARN", "text"), log("warn", "text") */
static bool level_of(struct str s, enum log_level *out)
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

static enum verdict fn_xlog(struct call *c)
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
	LOG_IF(level, c->c, STR_FMT, STR_ARG(text));
	return V_OK;
}

static const struct mod_arg host_args[] = { { "host", T_ANY }, { 0 } };
static const struct mod_arg methods_args[] = { { "methods", T_STR }, { 0 } };
static const struct mod_arg name_args[] = { { "name", T_STR }, { 0 } };
static const struct mod_arg append_args[] = { { "field", T_STR }, { "value", T_STR, .optional = true }, { 0 } };
static const struct mod_arg to_args[] = { { "to", T_STR, .optional = true }, { 0 } };
static const struct mod_arg log_args[] = { { "level_or_text", T_STR }, { "text", T_STR, .optional = true }, { 0 } };
static const struct mod_arg reply_args[] = {
	{ "code", T_INT, .min = 100, .max = 699 }, { "reason", T_STR, .optional = true }, { "headers", T_STR, .optional = true }, { 0 },
};
static const struct mod_arg relay_args[] = {
	{ "timeout", T_DURATION, .optional = true, .min = 1, .max = UINT32_MAX }, { "to", T_STR, .optional = true }, { 0 },
};

const struct mod_func core_funcs[] = {
	{ "send_reply", fn_send_reply, reply_args, .where = IN_REQUEST | IN_DIALOG, .flags = F_ENDS_FINAL | F_SAYS | F_REPLY_CODE,
	  .help = "answer the request; a final code (200 and above) ends the run" },
	{ "relay", fn_relay, relay_args, T_RECORD, .shape = &answer_shape, .where = IN_REQUEST | IN_DIALOG,
	  .flags = F_SAYS | F_SUSPENDS | F_WAITS_IF_USED,
	  .help = "send the request on to its targets, remembering it; where the result is used, wait for the final answer" },
	{ "forward", fn_forward, to_args, .where = IN_REQUEST | IN_DIALOG, .flags = F_ENDS | F_SAYS,
	  .help = "send the request on without remembering it" },
	{ "record_route", fn_record_route, NULL, .where = IN_REQUEST, .help = "stay on the path of the dialog that this request begins" },
	{ "is_local", fn_is_local, host_args, T_BOOL, .where = IN_ANY, .help = "is that host, or address, one of ours?" },
	{ "is_method", fn_is_method, methods_args, T_BOOL, .where = IN_REQUEST | IN_DIALOG | IN_BRANCH | IN_REPLY,
	  .help = "is the method one of these: \"INVITE|MESSAGE\"?" },
	{ "has_totag", fn_has_totag, NULL, T_BOOL, .where = IN_REQUEST | IN_DIALOG | IN_BRANCH | IN_REPLY, .help = "does it belong to a dialog?" },
	{ "append_hf", fn_append_hf, append_args, .where = IN_REQUEST | IN_DIALOG | IN_BRANCH | IN_REPLY,
	  .help = "add a header field: \"Name: value\", or name and value" },
	{ "remove_hf", fn_remove_hf, name_args, T_BOOL, .where = IN_REQUEST | IN_DIALOG | IN_BRANCH | IN_REPLY,
	  .help = "take out all header fields of that name; was there one?" },
	{ "is_present_hf", fn_is_present_hf, name_args, T_BOOL, .where = IN_REQUEST | IN_DIALOG | IN_BRANCH | IN_REPLY,
	  .help = "is there a header field of that name?" },
	{ "xlog", fn_xlog, log_args, .where = IN_ANY, .help = "a log line; the level first (\"warn\", \"L_WARN\"), else info" },
	{ "log", fn_xlog, log_args, .where = IN_ANY, .help = "the same as xlog" },
	{ 0 },
};

const struct module core_module = {
	.abi = MODULE_ABI, .name = "core", .help = "what every script has", .params = core_settings, .funcs = core_funcs, .vars = core_vars,
};

enum err script_boot(void)
{
	enum err err = module_register(&core_module);

	return err == ERR_EXISTS ? OK : err;
}
