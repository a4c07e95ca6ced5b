#pragma once
/* Names that people know from Kamailio and OpenSIPS, and what is written here instead: the checker's hints and the chapter of the manual. */
#include "base/str.h"

enum foreign_kind {
	FOREIGN_FUNC,		/* functions */
	FOREIGN_MISSING,	/* functions of a kind that is not offered */
	FOREIGN_VAR,		/* without the $ */
	FOREIGN_WORD,		/* bare words in expressions */
	FOREIGN_SETTING,
	FOREIGN_DECLARATION,
	FOREIGN_OPERATOR,
	FOREIGN_KINDS
};
struct foreign {
	const char *name;	/* NULL ends a table */
	const char *help;	/* NULL: the same here */
};
/* NULL: nothing is known of that name, or it means the same here. */
const char *foreign_help(enum foreign_kind kind, struct str name);
const struct foreign *foreign_table(enum foreign_kind kind);
