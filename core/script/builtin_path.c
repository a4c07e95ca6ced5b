/* add_path(): for a proxy between phones and their registrar. */
#include "script/builtin.h"

static bool is_place(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!ch_token(s.p[i]) && s.p[i] != ':' && s.p[i] != '[' && s.p[i] != ']')
			return false;
	return true;
}

enum verdict fn_add_path(struct call *c)
{
	struct str at = text_or_none(&c->argv[0]);

	if (c->req->msg.method != M_REGISTER || !is_place(at)) {
		log_error(c->c, "add_path() is for REGISTER, and `at` is host:port at=" STR_FMT, STR_ARG(at));
		return V_ERROR;
	}
	if (!request_add_path(c->req, at))
		return V_OK;
	log_error(c->c, "no memory for a Path");
	return V_ERROR;
}
