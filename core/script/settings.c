/* The top-level settings: one table for the checker, the manual and the process floor. */
#include "module/services.h"
#include "script/run.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/keep.h"

struct settings settings;

static const char *const levels[] = { "error", "warn", "info", "debug", NULL };	/* in the order of enum log_level */

const struct mod_param core_settings[] = {
	{ "listen", P_STR, &settings.listen, .help = "an address to serve: udp:*:5060, tcp:127.0.0.1:5060, udp:[::1]:5060; may be repeated" },
	{ "domain", P_STR, &settings.domains, .help = "a domain that is ours, besides those of the database; may be repeated", .live = true },
	{ "alias", P_STR, &settings.aliases, .help = "another host name of this server; may be repeated", .live = true },
	{ "advertise", P_STR, &settings.advertise, .help = "host or host:port that others shall see in Via and Record-Route instead of the socket's" },
	{ "database", P_STR, &settings.database, .help = "where users and bindings are kept: sqlite:PATH, or postgresql://USER@HOST/NAME" },
	{ "workers", P_INT, &settings.workers, "0", 0, SETTINGS_MOST_WORKERS, .help = "worker processes; 0: one a processor core" },
	{ "memory_limit", P_SIZE, &settings.memory_limit, "512MB", 16 << 20, (int64_t)1 << 46, .help = "the most shared memory" },
	{ "log_level", P_CHOICE, &settings.log_level, "info", .choices = levels, .help = "what is worth a log line", .live = true },
	{ "log_rate", P_INT, &settings.log_rate, "100", 0, 1000000, .help = "lines of one kind that a process writes in a second; of more it says how many there were; 0: no limit", .live = true },
	{ "user", P_STR, &settings.user, .help = "system user to run as once the sockets are open" },
	{ "group", P_STR, &settings.group, .help = "system group to run as" },
	{ "control", P_STR, &settings.control, "\"\"", .help = "path of the control channel's socket, where siparioctl finds the running server; empty: none" },
	{ "dialog_seal", P_BOOL, &dialog_seal.on, "on", .help = "requests within a dialog are relayed only by a Record-Route that proves to be ours; others are new requests to the script", .live = true },
	{ "secret", P_STR, &settings.secret, .help = "what that proof is made with, 16 characters or more, the same for all servers that stand for each other; empty: kept in the database, else made of /etc/machine-id" },
	{ "dns_servers", P_STR, &settings.dns_servers, .help = "name servers to ask, 127.0.0.1:53,…; empty: the system's" },
	{ "dns_timeout", P_MS, &settings.dns_timeout_ms, "2s", 100, 60000, .help = "wait for one name server's answer" },
	{ "dns_tries", P_INT, &settings.dns_tries, "2", 1, 10, .help = "questions before giving up" },
	{ "stop_timeout", P_MS, &settings.stop_timeout_ms, "5s", 0, 3600000, .help = "a gentle stop waits so long for open transactions", .live = true },
	{ "max_waiting", P_INT, &settings.max_waiting, "10000", 1, 10000000, .help = "requests whose script waits for something, in one worker; more are answered 503", .live = true },
	{ "max_steps", P_INT, &settings.max_steps, "100000", 1000, 1000000000, .help = "instructions of one run, and one for each 128 bytes of text that they work on; a run that needs more is stopped with 500", .live = true },
	{ "tcp_connect_timeout", P_MS, &tcp_limits.connect_ms, "5s", 100, 120000, .help = "a connection that takes longer to be opened has failed", .live = true },
	{ "tcp_message_timeout", P_MS, &tcp_limits.message_ms, "10s", 100, 600000, .help = "a message must be complete, and a new client must have sent one, within this", .live = true },
	{ "tcp_idle", P_MS, &tcp_limits.idle_ms, "65m", 1000, 7 * 86400000, .help = "a connection without traffic for so long is closed; longer than registrations live, or phones behind a NAT are lost", .live = true },
	{ "tcp_write_queue", P_SIZE, &tcp_limits.queue_bytes, "1MB", 65536, 1 << 30, .help = "bytes that may wait for one connection; a peer that reads slower loses it", .live = true },
	{ "tcp_max_message", P_SIZE, &tcp_limits.message_bytes, "65535B", 1024, MSG_MOST_BYTES, .help = "the longest message taken from a connection; a longer one is answered 513 and the connection closed", .live = true },
	{ "tcp_max_connections", P_INT, &tcp_limits.connections, "100000", 1, 10000000, .help = "connections of all workers; more are not accepted", .live = true },
	{ "tcp_max_per_source", P_INT, &tcp_limits.per_source, "5000", 1, 10000000, .help = "connections that one address (IPv6: one /64) may open", .live = true },
	{ "proxy_protocol_from", P_STR, &settings.proxy_protocol_from, .help = "a network, 10.0.0.0/8, whose TCP connections begin with a PROXY header (version 1 or 2); may be repeated" },
	{ "trail", P_SIZE, &settings.trail_bytes, "2MB", 0, 1 << 30, .help = "memory of each worker for what happened lately to calls (siparioctl why), and as much for traced ones; 0: none" },
	{ "t1", P_MS, &tm_timers.t1, "500ms", 10, 60000, .help = "round-trip estimate (RFC 3261 table 4)", .live = true },
	{ "t2", P_MS, &tm_timers.t2, "4s", 10, 60000, .help = "longest retransmission interval (RFC 3261 table 4)", .live = true },
	{ "t4", P_MS, &tm_timers.t4, "5s", 10, 60000, .help = "how long a message may stay in the network (RFC 3261 table 4)", .live = true },
	{ "branch_timeout", P_MS, &tm_timers.first, "5s", 100, 3600000, .help = "an address that says nothing at all for so long is given up: the next one is tried", .live = true },
	{ "avoid_for", P_MS, &tm_timers.avoid, "30s", 0, 3600000, .help = "an address that has failed is not tried first for so long; 0: never mind", .live = true },
	{ "timer_c", P_MS, &tm_timers.c, "185s", 180000, 86400000, .help = "longest silence of an INVITE's branch (RFC 3261 §16.6 step 11: over 3 minutes)", .live = true },
	{ 0 },
};
const char *const core_repeatable[] = { "listen", "domain", "alias", "proxy_protocol_from", NULL };

static bool repeatable(const struct mod_param *p)
{
	return p->where == &settings.listen || p->where == &settings.domains || p->where == &settings.aliases ||
	       p->where == &settings.proxy_protocol_from;
}

/* `listen udp:*:5060;` needs no quotes. */
static struct str unquoted(struct str s)
{
	bool quoted = s.len >= 2 && (s.p[0] == '"' || s.p[0] == '\'') && s.p[s.len - 1] == s.p[0];

	return quoted ? str_n(s.p + 1, s.len - 2) : s;
}

static enum err texts_add(struct texts *t, struct str s)
{
	struct str  copy = text_keep(s);
	struct str *more = copy.p ? realloc((void *)t->v, (t->count + 1) * sizeof(*more)) : NULL;

	if (!more)
		return ERR_NOMEM;
	more[t->count] = copy;
	*t = (struct texts){ .count = t->count + 1, .v = more };
	return OK;
}

enum err settings_listen(struct str text, struct listen_text *out, char *why, size_t cap)
{
	struct str rest = text, transport = str_take_until(&rest, ':'), host = rest;
	ptrdiff_t  bracket = str_find(rest, ']'), colon = str_find(str_from(rest, bracket > 0 ? (size_t)bracket : 0), ':');
	uint32_t   port = 5060;

	if (transport_of(transport) == TP_NONE || !rest.len) {
		snprintf(why, cap, "`" STR_FMT "` is nothing to listen on: write udp:*:5060 or tcp:192.0.2.1:5060", STR_ARG(text));
		return ERR_SYNTAX;
	}
	if (colon >= 0) {
		host = str_to(rest, (size_t)(colon + (bracket > 0 ? bracket : 0)));
		if (!str_u32(str_from(rest, host.len + 1), &port) || port == 0 || port > 65535) {
			snprintf(why, cap, "`" STR_FMT "`: the port is a number from 1 to 65535", STR_ARG(text));
			return ERR_SYNTAX;
		}
	}
	*out = (struct listen_text){ .transport = transport, .host = host, .port = (uint16_t)port };
	return OK;
}

/* Texts that are read when the server starts: what they must be is known before. */
static enum err text_ok(const struct mod_param *p, struct str s, char *why, size_t cap)
{
	struct listen_text l;
	struct addr        net;
	uint8_t            prefix;

	if (p->where == &settings.listen)
		return settings_listen(s, &l, why, cap);
	if (p->where == &settings.proxy_protocol_from && cidr_parse(s, &net, &prefix)) {
		snprintf(why, cap, "expected a network, 10.0.0.0/8, or an address, got \"" STR_FMT "\"", STR_ARG(s));
		return ERR_SYNTAX;
	}
	return OK;
}

enum err settings_param(const struct mod_param *p, struct str text, bool store, char *why, size_t cap)
{
	struct str s = unquoted(str_trim(text));

	if (!repeatable(p))
		return module_param_set(p, text, store, why, cap);
	if (!s.len || s.p[0] == '[' || str_find(s, '\0') >= 0) {
		snprintf(why, cap, "expected string, got %s", s.len ? "list" : "nothing");
		return ERR_SYNTAX;
	}
	if (text_ok(p, s, why, cap))
		return ERR_SYNTAX;
	if (store && texts_add(p->where, s)) {
		snprintf(why, cap, "no memory");
		return ERR_NOMEM;
	}
	return OK;
}

void settings_write(const struct mod_param *p, struct buf *out)
{
	const struct texts *t = p->where;

	if (!repeatable(p)) {
		module_param_write(p, out);
		return;
	}
	for (size_t i = 0; i < t->count; i++)
		buf_printf(out, "%s" STR_FMT, i ? ", " : "", STR_ARG(t->v[i]));
}

void settings_reset(void)
{
	for (const struct mod_param *p = core_settings; p->name; p++)
		if (repeatable(p))
			free((void *)((struct texts *)p->where)->v);
	settings = (struct settings){ 0 };
	module_apply_presets(&core_module);
}

static bool among(const struct texts *t, struct str host)
{
	for (size_t i = 0; i < t->count; i++)
		if (str_ieq(t->v[i], host))
			return true;
	return false;
}

bool script_is_local(struct str host)
{
	const struct profile_service *profile = module_service("profile");

	if (among(&settings.domains, host) || among(&settings.aliases, host))
		return true;
	return profile && profile->is_domain && profile->is_domain(host);
}
