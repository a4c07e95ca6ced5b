/* A language server: the check while somebody types (Language Server Protocol 3.17, §"Base Protocol" and "Publish Diagnostics"). Messages are JSON-RPC
 * with a Content-Length in front, on standard input and output; documents come whole. One text is checked at a time. */
#include "script/lsp.h"

#include <stdlib.h>

#include "base/json.h"
#include "module/module.h"
#include "script/script.h"

enum { MOST_MESSAGE = 64 << 20, MOST_MEMORY = 512 << 20, SYNC_FULL = 1, SEVERITY_ERROR = 1, SEVERITY_WARNING = 2, NO_METHOD = -32601 };

/* --- messages --- */

/* The body of the next message in the arena; .p NULL at the end of the input, or when it is none of ours. */
static struct str read_message(FILE *in, struct arena *a)
{
	char   line[256];
	size_t len = 0;
	char  *body;

	while (fgets(line, sizeof(line), in) && line[0] != '\r' && line[0] != '\n') {
		struct str rest = str_of(line), name = str_take_until(&rest, ':');
		uint64_t   n;

		if (str_ieq(name, STR("Content-Length")) && str_u64(str_trim(rest), &n) && n <= MOST_MESSAGE)
			len = n;
	}
	body = len ? arena_alloc(a, len) : NULL;
	return body && fread(body, 1, len, in) == len ? str_n(body, len) : STR_NONE;
}

static void send_message(FILE *out, const struct json_out *o)
{
	struct str text = json_done(o);

	if (!text.p)
		return;
	fprintf(out, "Content-Length: %zu\r\n\r\n" STR_FMT, text.len, STR_ARG(text));
	fflush(out);
}

/* --- places --- */

/* Characters of a line to UTF-16 units, which the protocol counts in; both from 0. */
static int64_t units_of(struct str text, int64_t line, int64_t characters)
{
	int64_t units = 0;

	for (; line > 0 && text.len; line--)
		(void)str_take_until(&text, '\n');
	for (size_t i = 0; i < text.len && text.p[i] != '\n' && characters > 0; characters--) {
		struct str rest = str_from(text, i);
		size_t     n = str_utf8(rest);

		i += n ? n : 1;
		units += n == 4 ? 2 : 1;
	}
	return units;
}

static void put_position(struct json_out *o, const char *key, struct str text, int64_t line, int64_t character)
{
	json_open_object(o, key);
	json_put_int(o, "line", line);
	json_put_int(o, "character", units_of(text, line, character));
	json_close_object(o);
}

/* --- diagnostics --- */

/* Of a place in another file only the message is told, at the top. */
static void put_diagnostic(struct json_out *o, const struct json *d, struct str path, struct str text)
{
	bool    here = str_eq(json_text(json_get(d, "file")), path);
	int64_t line = here ? json_int(json_get(d, "line"), 1) - 1 : 0, column = here ? json_int(json_get(d, "column"), 1) - 1 : 0;
	struct str note = json_text(json_get(json_get(d, "note"), "message")), help = json_text(json_get(d, "help"));
	struct str file = json_text(json_get(d, "file")), message = json_text(json_get(d, "message"));

	json_open_object(o, NULL);
	json_open_object(o, "range");
	put_position(o, "start", text, line, column);
	put_position(o, "end", text, line, here ? column + json_int(json_get(d, "length"), 1) : 0);
	json_close_object(o);
	json_put_int(o, "severity", str_is(json_text(json_get(d, "level")), "error") ? SEVERITY_ERROR : SEVERITY_WARNING);
	json_put_text(o, "code", json_text(json_get(d, "code")));
	json_put_text(o, "source", STR("sipario"));
	json_put_text(o, "message", arena_printf(o->arena, STR_FMT "%s" STR_FMT "%s" STR_FMT "%s" STR_FMT, STR_ARG(here ? STR("") : file), here || !file.len ? "" : ": ",
						 STR_ARG(message), note.len ? "\nnote: " : "", STR_ARG(note), help.len ? "\nhelp: " : "", STR_ARG(help)));
	json_close_object(o);
}

/* What modules an earlier text has loaded does not count for this one. */
static struct str check(struct str path, struct str text, struct arena *a)
{
	struct script_options o = { .json = true };
	struct str            report = STR_NONE;
	struct script        *s;
	char                  why[300];

	module_forget_all();
	if (script_boot())
		return report;
	s = script_load_text(path, text, &o, a, &report);
	if (s && script_apply(s, why, sizeof(why)))	/* what modules say to their parameters together */
		report = script_refused(s, why, &o, a);
	script_free(s);
	return report;
}

static void publish(FILE *out, struct arena *a, struct str uri, struct str path, struct str text)
{
	char            why[120];
	struct json_out o = json_into(a);
	struct json    *report = path.len ? json_read(check(path, text, a), why, sizeof(why)) : NULL;

	json_open_object(&o, NULL);
	json_put_text(&o, "jsonrpc", STR("2.0"));
	json_put_text(&o, "method", STR("textDocument/publishDiagnostics"));
	json_open_object(&o, "params");
	json_put_text(&o, "uri", uri);
	json_open_list(&o, "diagnostics");
	for (size_t i = 0; i < json_count(report); i++)
		put_diagnostic(&o, json_at(report, i), path, text);
	json_close_list(&o);
	json_close_object(&o);
	json_close_object(&o);
	send_message(out, &o);
	json_free(report);
}

/* file:///etc/a%20b.cfg: so that what it includes is found beside it. */
static struct str path_of(struct arena *a, struct str uri)
{
	struct str rest = str_starts(uri, STR("file://")) ? str_from(uri, 7) : uri;
	char      *p = arena_alloc(a, rest.len + 1);
	size_t     n = 0;

	for (size_t i = 0; p && i < rest.len; i++) {
		char         hex[3] = { 0 };
		char        *end = hex;
		unsigned long byte = 0;

		if (rest.p[i] == '%' && i + 2 < rest.len) {
			memcpy(hex, rest.p + i + 1, 2);
			byte = strtoul(hex, &end, 16);
		}
		p[n++] = end == hex + 2 ? (char)byte : rest.p[i];
		i += end == hex + 2 ? 2 : 0;
	}
	return p ? str_n(p, n) : STR_NONE;
}

/* --- what the editor asks --- */

static void begin_answer(struct json_out *o, const struct json *id)
{
	json_open_object(o, NULL);
	json_put_text(o, "jsonrpc", STR("2.0"));
	json_put_json(o, "id", json_dump(o->arena, id, false));
}

static void put_capabilities(struct json_out *o)
{
	json_open_object(o, "result");
	json_open_object(o, "capabilities");
	json_put_int(o, "textDocumentSync", SYNC_FULL);
	json_close_object(o);
	json_open_object(o, "serverInfo");
	json_put_text(o, "name", STR("sipario"));
	json_put_text(o, "version", STR(SIPARIO_VERSION));
	json_close_object(o);
	json_close_object(o);
}

static void answer(FILE *out, struct arena *a, struct str method, const struct json *id)
{
	struct json_out o = json_into(a);

	begin_answer(&o, id);
	if (str_is(method, "initialize")) {
		put_capabilities(&o);
	} else if (str_is(method, "shutdown")) {
		json_put_null(&o, "result");
	} else {
		json_open_object(&o, "error");
		json_put_int(&o, "code", NO_METHOD);
		json_put_text(&o, "message", STR("not offered"));
		json_close_object(&o);
	}
	json_close_object(&o);
	send_message(out, &o);
}

static void notified(FILE *out, struct arena *a, struct str method, const struct json *params)
{
	const struct json *document = json_get(params, "textDocument"), *changes = json_get(params, "contentChanges");
	struct str         uri = json_text(json_get(document, "uri"));

	if (str_is(method, "textDocument/didOpen"))
		publish(out, a, uri, path_of(a, uri), json_text(json_get(document, "text")));
	else if (str_is(method, "textDocument/didChange") && json_count(changes))
		publish(out, a, uri, path_of(a, uri), json_text(json_get(json_at(changes, json_count(changes) - 1), "text")));
	else if (str_is(method, "textDocument/didClose"))
		publish(out, a, uri, STR_NONE, STR_NONE);
}

int lsp_serve(FILE *in, FILE *out)
{
	bool going = true, shut = false;

	while (going) {
		struct arena a;
		char         why[120];
		struct str   text, method;
		struct json *j;

		arena_init(&a, NULL, 0, MOST_MEMORY);
		text = read_message(in, &a);
		j = text.p ? json_read(text, why, sizeof(why)) : NULL;
		method = json_text(json_get(j, "method"));
		going = text.p && !str_is(method, "exit");
		shut = shut || str_is(method, "shutdown");
		if (json_kind(json_get(j, "id")) != JSON_IS_NONE && method.len)
			answer(out, &a, method, json_get(j, "id"));
		else if (method.len)
			notified(out, &a, method, json_get(j, "params"));
		json_free(j);
		arena_free(&a);
	}
	return shut ? 0 : 1;
}
