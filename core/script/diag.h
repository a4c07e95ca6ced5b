#pragma once
/* Errors and warnings of one check, collected: the reader sees all of them, in the order of the file, in one run. Program lifetime.
 *
 *	etc/sipario.cfg:12:9: error[E201]: no function `send_replay`
 *	   12 |         send_replay(403, "Relay denied");
 *	      |         ^~~~~~~~~~~
 *	      = help: did you mean `send_reply`?
 */
#include "script/source.h"

enum diag_level { DIAG_ERROR, DIAG_WARNING };

/* name, stable number as printed (E…: error, W…: warning). Numbers are never reused: manuals and mailing lists cite them. */
#define DIAG_CODES(X)                                                                                                   \
	X(D_NOMEM, "E001") X(D_FILE, "E002") X(D_INCLUDE, "E003")                                                       \
	X(D_SYNTAX, "E101") X(D_UNCLOSED, "E102") X(D_STRING, "E103") X(D_NUMBER, "E104") X(D_TOO_DEEP, "E105")         \
	X(D_CHARACTER, "E106") X(D_REGEX, "E107") X(D_URI, "E108") X(D_ADDRESS, "E109") X(D_TEST, "E110")               \
	X(D_NO_FUNCTION, "E201") X(D_NO_ROUTE, "E202") X(D_NO_VARIABLE, "E203") X(D_NO_NAME, "E204")                    \
	X(D_NO_MODULE, "E205") X(D_NO_PARAMETER, "E206") X(D_NO_SETTING, "E207") X(D_NO_FIELD, "E208")                  \
	X(D_NO_TABLE, "E209") X(D_NO_EVENT, "E210") X(D_NO_METHOD, "E211") X(D_NO_CONST, "E212")                        \
	X(D_TWICE, "E213") X(D_ROUTE_KIND, "E214") X(D_NOT_HERE, "E215") X(D_NOT_NEEDED, "E216") X(D_NEEDS, "E217")     \
	X(D_ARGUMENTS, "E301") X(D_ARGUMENT_TYPE, "E302") X(D_RANGE, "E303") X(D_PARAMETER, "E304")                     \
	X(D_CONDITION, "E305") X(D_ASSIGN_IN_CONDITION, "E306") X(D_COMPARE, "E307") X(D_OPERAND, "E308")               \
	X(D_NULL, "E309") X(D_ASSIGN_TYPE, "E310") X(D_READ_ONLY, "E311") X(D_REPLY_CODE, "E312") X(D_NO_VALUE, "E313") \
	X(D_CONST_EXPR, "E314") X(D_RETURN_TYPE, "E315") X(D_LIMIT, "E316")                                             \
	X(D_UNASSIGNED, "E401") X(D_SILENT, "E402") X(D_TWO_FINALS, "E403") X(D_RECURSION, "E404")                      \
	X(D_ENDLESS, "E405") X(D_AFTER_RELAY, "E406") X(D_OUTSIDE_LOOP, "E407")                                         \
	X(D_UNREACHABLE, "W501") X(D_UNUSED_ROUTE, "W502") X(D_UNUSED_LET, "W503") X(D_NEAR_HEADER, "W504")
#define DIAG_ENUM(name, text) name,
enum diag_code { DIAG_CODES(DIAG_ENUM) D_COUNT };

struct diag {
	struct diag    *next;
	enum diag_level level;
	enum diag_code  code;
	struct span     where;
	struct str      message;	/* one line, without a full stop */
	struct str      note;		/* empty: none */
	struct span     note_where;	/* .src NULL: no place */
	struct str      help;		/* what to write instead; empty: none */
	unsigned        order;		/* of reporting: equal places keep it */
};
struct diags {
	struct arena *arena;
	struct diag  *first;
	size_t        count, errors, warnings;
	bool          strict;		/* warnings have been made errors */
	bool          no_memory;	/* something could not be recorded: the check has failed all the same */
};

void diags_init(struct diags *d, struct arena *a);
/* Record one. The level follows from the code's letter. Never NULL: without memory a scratch entry is answered and no_memory set. */
struct diag *diag_add(struct diags *d, enum diag_code code, struct span where, const char *fmt, ...) PRINTF(4, 5);
void diag_note(struct diags *d, struct diag *g, struct span where, const char *fmt, ...) PRINTF(4, 5);
void diag_help(struct diags *d, struct diag *g, const char *fmt, ...) PRINTF(3, 4);
/* help: did you mean `x`? Nothing when `near` is empty. */
void diag_did_you_mean(struct diags *d, struct diag *g, struct str near);
/* By place, without repetitions (same code at the same place). Before reading or writing them out; counts are right afterwards. */
void diags_sort(struct diags *d);
/* Make errors of all warnings so far. */
void diags_strict(struct diags *d);
bool diags_failed(const struct diags *d);
const char *diag_code_text(enum diag_code code);	/* "E201" */

/* --- what a code means, at length (explain.c) --- */
struct explanation {
	const char *title, *text;	/* a line; a paragraph */
	const char *wrong, *right;	/* whole files, or NULL: nothing as short shows it */
};
const struct explanation *diag_explanation(enum diag_code code);
/* For a terminal; empty: there is no such code. */
struct str diag_explain(struct arena *a, struct str name);

/* All of them as text, sorted, and how many there are; empty when there is nothing to say, .p NULL on no memory. Colours (ANSI) only when the
 * caller says so. */
MUST_CHECK struct str diags_text(struct diags *d, struct arena *a, bool colour);
/* The same for machines: a JSON array of objects file, line, column, length (in characters), level, code, message, and where there are any, note
 * (file, line, column, length, message) and help. */
MUST_CHECK struct str diags_json(struct diags *d, struct arena *a);

/* The nearest of a series of names, by edit distance; a third of the length may be wrong, at most 3. */
struct nearest {
	struct str want, best;
	unsigned   distance;
};
struct nearest nearest_to(struct str want);
void nearest_offer(struct nearest *n, struct str name);
/* Empty when none was near. */
struct str nearest_name(const struct nearest *n);
