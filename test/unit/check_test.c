/* The checker: language.md's default file passes, and each row of its table of mistakes has its exact message. */
#include "script_world.h"

static const char default_file[] =
	"domain \"example.org\";\n"
	"listen udp:*:5060;\n"
	"listen tcp:*:5060;\n"
	"\n"
	"database \"sqlite:var/sipario.db\";          # postgresql://… in production\n"
	"\n"
	"module auth      { algorithms = [SHA-256, MD5]; nonce_expire = 5m; }\n"
	"module location  { durable = on; }\n"
	"module registrar { max_contacts = 10; min_expires = 60s; max_expires = 1h; }\n"
	"module forking   { ring = parallel; }\n"
	"\n"
	"request_route {\n"
	"    if ($rm == \"REGISTER\") {\n"
	"        authenticate();                    # answers 401 and ends the run unless the credentials are good\n"
	"        save();                            # answers 200, or 4xx, when the binding is committed\n"
	"        exit;\n"
	"    }\n"
	"    if (is_local($fd)) authenticate();     # 407 for our own users\n"
	"    else if (!is_local($rd)) send_reply(403, \"Relay denied\");   # never an open relay\n"
	"\n"
	"    record_route();\n"
	"    if (!is_local($rd)) { relay(); exit; }\n"
	"    route(TO_USER);\n"
	"}\n"
	"\n"
	"route[TO_USER] {\n"
	"    let user = profile($ru) ?? send_reply(404);       # suspends for the database, blocks nobody\n"
	"    if (user.forward_always) { $ru = user.forward_always; relay(); exit; }\n"
	"\n"
	"    if (!lookup()) send_reply(480, \"Not registered\");\n"
	"    let answer = relay(timeout = user.ring_time ?? 30s);        # suspends until the final answer\n"
	"\n"
	"    if (answer.code == 486 && user.forward_busy)      { $ru = user.forward_busy;      relay(); }\n"
	"    if (answer.code == 408 && user.forward_no_answer) { $ru = user.forward_no_answer; relay(); }\n"
	"}\n"
	"\n"
	"test \"a stranger cannot relay\" {\n"
	"    send INVITE from \"sip:x@evil.example\" to \"sip:y@other.example\";\n"
	"    expect reply 403;\n"
	"}\n";

static struct program *checked(const char *text, bool *good)
{
	struct check_env env = world_env();
	struct program  *p = program_new();
	bool             parsed = program_parse(p, STR("x.cfg"), str_of(text));

	*good = check_program(p, &env) && parsed;
	return p;
}

static void show(struct program *p)
{
	struct str text = diags_text(&p->diags, &p->arena, false);

	print_error(STR_FMT, STR_ARG(text));
}

TEST(check_the_default_file_is_clean)
{
	bool            good;
	struct program *p = checked(default_file, &good);

	if (!good || p->diags.count)
		show(p);
	CHECK(good && p->diags.count == 0);
	CHECK(p->request && p->route_count == 2 && p->test_count == 1);
	CHECK_INT(p->routes->next->frame, 2);
	CHECK_STR(p->settings->next->text, "\"udp:*:5060\"");
	CHECK_STR(p->modules->settings->text, "[SHA-256, MD5]");
	program_free(p);
}
