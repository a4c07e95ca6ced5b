#pragma once
/* Comma separated values, RFC 4180: read record by record with the place of each cell, and written. */
#include "base/arena.h"
#include "base/buf.h"

enum { CSV_MOST_CELLS = 64 };
struct csv {
	struct str text;	/* the rest; UTF-8 is not checked */
	char       separator;
	uint32_t   line, column;	/* of the rest, from 1; columns are characters */
};
struct csv_cell {
	struct str text;	/* in the arena, or a slice of the file */
	uint32_t   line, column;
};
/* A mark of byte order at the front is passed over. The separator is what the first line has: a comma, else a semicolon, else a tab. */
struct csv csv_open(struct str text);
/* The next record that is no blank line. ERR_NOT_FOUND: there is none. ERR_SYNTAX with *why, and its place in cell[0]: go on with the next. ERR_NOMEM. */
MUST_CHECK enum err csv_next(struct csv *csv, struct arena *a, struct csv_cell cell[CSV_MOST_CELLS], size_t *n, const char **why);
/* A cell, in quotes where it needs them. */
void csv_write(struct buf *b, struct str cell);
