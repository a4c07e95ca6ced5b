#pragma once
/* `import`: a file of users. import_row.c judges a line, import_sql.c asks and fills the tables, import.c goes through the file. */
#include "base/crypto.h"
#include "ctl/csv.h"
#include "ctl/ctl.h"
#include "ctl/progress.h"
#include "ctl/seen.h"

/* Columns with a meaning of their own; behind them come the fields of user.c. */
enum column { COL_USER, COL_NAME, COL_DOMAIN, COL_PASSWORD, COL_MD5, COL_SHA256, COL_ALIASES, COL_GROUPS, COL_PERMISSIONS, COL_PREFERENCES, COL_FIELDS };
enum { MOST_FIELDS = 16, MOST_COLUMNS = COL_FIELDS + MOST_FIELDS, BATCH = 5000 };

/* A line of the file. Lives as long as the batch. */
struct person {
	uint32_t        line;
	struct str      name, domain;
	struct db_value md5, sha256;
	struct db_value field[MOST_FIELDS];
	struct csv_cell cell[COL_FIELDS];	/* what stands there; empty without such a column */
	bool            passed_over;		/* is there already, and shall stay as it is */
};
struct import {
	struct ctl     *c;
	struct db      *d;
	const char     *file;		/* as people call it */
	struct str      text;
	struct csv      csv;
	int             at[MOST_COLUMNS];	/* the cell of a column, -1: none */
	size_t          cells;		/* of a line */
	struct arena    arena;		/* of the batch */
	struct person  *batch;
	size_t          n;
	bool            writing, update, resume, dry;
	struct seen     addresses, domains, classes, groups;
	struct progress bar;
	uint64_t        people, there, without;	/* lines; of them: were there already, have no digest */
	uint64_t        wrong;		/* mistakes; the first are in c->report */
	struct json_out mistakes;
};

/* "users.csv:17:23: …" of c->why, or of `why`. */
void import_mistake(struct import *im, uint32_t line, uint32_t column, const char *why);
/* The header line. */
MUST_CHECK enum err import_header(struct import *im, const struct csv_cell *cell, size_t n);
/* What a column is called; NULL past the end. */
const char *import_column(size_t i);
bool import_has(const struct import *im, enum column col);
/* Mistakes are noted, and leave *p half done: then false. */
bool import_judge(struct import *im, const struct csv_cell *cell, size_t n, struct person *p);
/* One word after the other of a cell, separated by blanks; false: none is left. */
bool import_word(struct csv_cell *rest, struct csv_cell *word);

/* Names that lines refer to. */
MUST_CHECK enum err import_names(struct import *im);
/* Who of the batch is there, whose alias is somebody else's: mistakes, or people to be passed over. */
MUST_CHECK enum err import_look(struct import *im);
MUST_CHECK enum err import_write(struct import *im);

/* `export` (export.c). */
MUST_CHECK enum err export_run(struct ctl *c);
