#include "script/source.h"

#include <errno.h>
#include <stdio.h>

#include "base/buf.h"

enum { MOST_BYTES = 64 << 20 };

void sources_init(struct sources *all, struct arena *a)
{
	*all = (struct sources){ .arena = a };
}

/* One pass counts, the second writes: files are small and the table is then exactly as long as it must be. */
static bool index_lines(struct arena *a, struct source *s)
{
	uint32_t n = 1;

	for (size_t i = 0; i < s->text.len; i++)
		n += s->text.p[i] == '\n';
	s->line_at = arena_alloc(a, n * sizeof(*s->line_at));
	if (!s->line_at)
		return false;
	s->lines = n;
	s->line_at[0] = 0;
	n = 1;
	for (size_t i = 0; i < s->text.len; i++)
		if (s->text.p[i] == '\n')
			s->line_at[n++] = (uint32_t)i + 1;
	return true;
}

struct source *source_add(struct sources *all, struct str name, struct str text)
{
	struct source *s = ARENA_NEW(all->arena, struct source);

	if (!s || text.len > MOST_BYTES)
		return NULL;
	s->name = arena_dup(all->arena, name);
	s->text = arena_dup(all->arena, text);
	if (!s->name.p || !s->text.p || !index_lines(all->arena, s))
		return NULL;
	s->index = all->count++;
	if (all->last)
		all->last->next = s;
	else
		all->first = s;
	all->last = s;
	return s;
}

/* In pieces: the file may be a pipe, so its size is not asked for. */
static enum err read_all(struct arena *a, FILE *f, struct str *out)
{
	size_t cap = 16384, len = 0, got;
	char  *p = arena_alloc(a, cap), *more;

	while (p && (got = fread(p + len, 1, cap - len, f)) > 0) {
		len += got;
		if (len < cap)
			continue;
		if (cap >= MOST_BYTES)
			return ERR_LIMIT;
		more = arena_alloc(a, cap * 4);
		if (more)
			memcpy(more, p, len);
		p = more;
		cap *= 4;
	}
	if (!p)
		return ERR_NOMEM;
	*out = str_n(p, len);
	return ferror(f) ? ERR_IO : OK;
}

/* --- images: for each file its two lengths, its name, its text --- */

struct image_entry {
	uint32_t name_len, text_len;
};

static bool image_next(struct str *rest, struct str *name, struct str *text)
{
	struct image_entry e;

	if (rest->len < sizeof(e))
		return false;
	memcpy(&e, rest->p, sizeof(e));
	*rest = str_from(*rest, sizeof(e));
	if ((uint64_t)e.name_len + e.text_len > rest->len)
		return false;
	*name = str_to(*rest, e.name_len);
	*text = str_to(str_from(*rest, e.name_len), e.text_len);
	*rest = str_from(*rest, (size_t)e.name_len + e.text_len);
	return true;
}

struct str image_main(struct str image)
{
	struct str name, text;

	return image_next(&image, &name, &text) ? name : STR_NONE;
}

struct str sources_image(const struct sources *all, struct arena *a)
{
	size_t     bytes = 0;
	struct buf b;

	for (const struct source *s = all->first; s; s = s->next)
		bytes += sizeof(struct image_entry) + s->name.len + s->text.len;
	b = buf_on(arena_alloc(a, bytes ? bytes : 1), bytes);
	if (!b.p)
		return STR_NONE;
	for (const struct source *s = all->first; s; s = s->next) {
		struct image_entry e = { .name_len = (uint32_t)s->name.len, .text_len = (uint32_t)s->text.len };

		buf_add(&b, str_n((const char *)&e, sizeof(e)));
		buf_add(&b, s->name);
		buf_add(&b, s->text);
	}
	return buf_str(&b);
}

static enum err read_image(struct sources *all, struct str path, struct source **out)
{
	struct str rest = all->image, name, text;

	while (image_next(&rest, &name, &text))
		if (str_eq(name, path)) {
			*out = source_add(all, path, text);
			return *out ? OK : ERR_NOMEM;
		}
	errno = ENOENT;
	return ERR_IO;
}

enum err source_read(struct sources *all, struct str path, struct source **out)
{
	struct arena scratch;
	char         name[4096];
	struct str   text;
	FILE        *f;
	enum err     err;
	int          why;

	if (all->image.p)
		return read_image(all, path, out);
	errno = ENAMETOOLONG;
	if (!str_cstr(path, name, sizeof(name)))
		return ERR_IO;
	f = fopen(name, "re");
	if (!f)
		return ERR_IO;
	arena_init(&scratch, NULL, 0, 4 * (size_t)MOST_BYTES);
	err = read_all(&scratch, f, &text);
	why = errno;
	if (!err) {
		*out = source_add(all, path, text);
		err = *out ? OK : ERR_NOMEM;
	}
	fclose(f);
	arena_free(&scratch);
	errno = why;
	return err;
}

uint32_t span_line(struct span s)
{
	uint32_t lo = 0, hi;

	if (!s.src)
		return 0;
	hi = s.src->lines;
	while (hi - lo > 1) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (s.src->line_at[mid] <= s.at)
			lo = mid;
		else
			hi = mid;
	}
	return lo + 1;
}

uint32_t span_column(struct span s)
{
	uint32_t line = span_line(s), column = 1;

	if (!line)
		return 0;
	for (uint32_t i = s.src->line_at[line - 1]; i < s.at && i < s.src->text.len; i++)
		column += (s.src->text.p[i] & 0xC0) != 0x80;
	return column;
}

struct str span_text(struct span s)
{
	return s.src ? str_to(str_from(s.src->text, s.at), s.len) : STR_NONE;
}

struct str span_source_line(struct span s)
{
	struct str line;
	ptrdiff_t  end;

	if (!s.src)
		return STR_NONE;
	line = str_from(s.src->text, s.src->line_at[span_line(s) - 1]);
	end = str_find(line, '\n');
	if (end >= 0)
		line = str_to(line, (size_t)end);
	if (line.len && line.p[line.len - 1] == '\r')
		line.len--;
	return line;
}

struct span span_join(struct span a, struct span b)
{
	if (!a.src || a.src != b.src || b.at + b.len < a.at)
		return a;
	a.len = b.at + b.len - a.at;
	return a;
}
