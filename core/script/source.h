#pragma once
/* The files of one configuration and places in them. Program lifetime: all memory is the arena's that sources_init() was given. */
#include "base/arena.h"

/* A stretch of bytes of one file. .src NULL: no place (command line, environment). */
struct span {
	const struct source *src;
	uint32_t             at, len;
};
struct source {
	struct source  *next;
	struct str      name;		/* as written on the command line or in `include` */
	struct str      text;		/* the whole file */
	uint32_t       *line_at;	/* offset of each line's first byte */
	uint32_t        lines;
	unsigned        index;		/* order of opening: diagnostics are sorted by it */
	struct span     included;	/* the `include` that named it; .src NULL: none did */
};
struct sources {
	struct arena  *arena;
	struct source *first, *last;
	unsigned       count;
	struct str     image;		/* .p set: files are read from there, not from the disk */
};

void sources_init(struct sources *all, struct arena *a);
/* `text` is copied. NULL on no memory, or when the text is over 64 MB. */
struct source *source_add(struct sources *all, struct str name, struct str text);
/* Read a file. ERR_IO: errno says why; ERR_LIMIT: over 64 MB; ERR_NOMEM. */
MUST_CHECK enum err source_read(struct sources *all, struct str path, struct source **out);
/* An image: all files of a configuration in one string, so that several processes make the same of them whatever becomes of the files meanwhile.
 * .p NULL on no memory. */
MUST_CHECK struct str sources_image(const struct sources *all, struct arena *a);
/* The file that was opened first; empty: that is no image. */
struct str image_main(struct str image);

/* From 1; columns count characters (UTF-8 continuation bytes do not count), a tab is one. 0 when there is no place. */
uint32_t span_line(struct span s);
uint32_t span_column(struct span s);
/* Text of the span itself; of the line it starts in, without the line end. */
struct str span_text(struct span s);
struct str span_source_line(struct span s);
/* From the start of a to the end of b (one file; else a). */
struct span span_join(struct span a, struct span b);
