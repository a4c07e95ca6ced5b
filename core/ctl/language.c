/* `help language`: what the language has besides functions and variables; `help NAME` of one function, variable, code of the check, or name from
 * another server. All from the tables that the checker reads. */
#include "ctl/ctl.h"
#include "ctl/help.h"
#include "script/background.h"
#include "script/diag.h"
#include "script/foreign.h"

static void put_types(struct json_out *o)
{
	json_open_list(o, "types");
	for (enum vtype t = T_NULL; t <= T_RECORD; t++)
		json_put_text(o, NULL, str_of(vtype_name(t)));
	json_close_list(o);
}

static void put_events(struct json_out *o)
{
	json_open_list(o, "events");
	for (const char *const *e = background_events; *e; e++)
		json_put_text(o, NULL, str_of(*e));
	for (size_t i = 0; module_at(i); i++)
		for (struct mod_event *const *e = module_at(i)->events; e && *e; e++)
			json_put_text(o, NULL, str_of((*e)->name));
	json_close_list(o);
}

static void put_code(struct json_out *o, enum diag_code code)
{
	const struct explanation *x = diag_explanation(code);

	json_open_object(o, NULL);
	json_put_text(o, "code", str_of(diag_code_text(code)));
	json_put_text(o, "title", str_of(x->title));
	json_put_text(o, "text", str_of(x->text));
	json_put_text(o, "wrong", str_of(x->wrong));
	json_put_text(o, "right", str_of(x->right));
	json_close_object(o);
}

static const char *const kinds[FOREIGN_KINDS] = {
	[FOREIGN_FUNC] = "function", [FOREIGN_MISSING] = "missing", [FOREIGN_VAR] = "variable", [FOREIGN_WORD] = "word", [FOREIGN_SETTING] = "setting",
	[FOREIGN_DECLARATION] = "declaration", [FOREIGN_OPERATOR] = "operator",
};

static void put_elsewhere(struct json_out *o, enum foreign_kind kind, const struct foreign *f)
{
	json_open_object(o, NULL);
	json_put_text(o, "name", str_of(f->name));
	json_put_text(o, "kind", str_of(kinds[kind]));
	json_put_text(o, "here", f->help ? str_of(f->help) : STR("the same"));
	json_close_object(o);
}

void help_language(struct json_out *o, bool json)
{
	json_open_object(o, NULL);
	put_types(o);
	put_events(o);
	if (json) {	/* `sipario explain` reads better */
		json_open_list(o, "codes");
		for (unsigned i = 0; i < D_COUNT; i++)
			put_code(o, (enum diag_code)i);
		json_close_list(o);
	}
	json_open_list(o, "elsewhere");
	for (unsigned kind = 0; kind < FOREIGN_KINDS; kind++)
		for (const struct foreign *f = foreign_table((enum foreign_kind)kind); f->name; f++)
			put_elsewhere(o, (enum foreign_kind)kind, f);
	json_close_list(o);
	json_close_object(o);
}

bool help_elsewhere(struct json_out *o, struct str name)
{
	struct str bare = str_starts(name, STR("$")) ? str_from(name, 1) : name;

	for (unsigned kind = 0; kind < FOREIGN_KINDS; kind++)
		for (const struct foreign *f = foreign_table((enum foreign_kind)kind); f->name; f++)
			if (f->help && str_is(bare, f->name) && (kind == FOREIGN_VAR) == (bare.len != name.len)) {
				put_elsewhere(o, (enum foreign_kind)kind, f);
				return true;
			}
	return false;
}
