#pragma once
/* What help.c takes from language.c. */
#include "base/json.h"

/* Types, events, names of other servers; for programs also the codes of the check, explained. */
void help_language(struct json_out *o, bool json);
/* What is written here for a name that people know from Kamailio or OpenSIPS. False, and nothing written: it is none. */
bool help_elsewhere(struct json_out *o, struct str name);
