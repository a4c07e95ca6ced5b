/* `import`: twice through the file. First all is checked, with all mistakes in one run; then it is written, in one transaction (or, with --resume, in
 * several). Between two batches the store belongs to others. */
#include "ctl/import.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"

enum { BATCH_MEMORY = 512 << 20, READ_AT_ONCE = 1 << 20 };
#define MOST_FILE ((size_t)2 << 30)

/* --- the file --- */

static enum err read_all(struct ctl *c, int fd, const char *file, struct str *text)
{
	char   *p = NULL;
	size_t  len = 0, room = 0;
	ssize_t got;

	do {
		if (room - len < READ_AT_ONCE) {
			char *more = room < MOST_FILE ? realloc(p, room = room * 2 + READ_AT_ONCE) : NULL;

			if (!more) {
				free(p);
				return ctl_fail(c, ERR_LIMIT, "%s is too large: import it in parts", file);
			}
			p = more;
		}
		got = read(fd, p + len, room - len);
		len += got > 0 ? (size_t)got : 0;
	} while (got > 0 || (got < 0 && errno == EINTR));
	if (got < 0) {
		ctl_fail(c, ERR_IO, "%s cannot be read: %s", file, strerror(errno));
		free(p);
		return ERR_IO;
	}
	*text = str_n(p, len);
	return OK;
}

static enum err open_file(struct import *im, const char *path)
{
	bool     input = !strcmp(path, "-");
	int      fd = input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	enum err err;

	im->file = input ? "standard input" : path;
	if (fd < 0)
		return ctl_fail(im->c, ERR_IO, "%s cannot be read: %s", path, strerror(errno));
	err = read_all(im->c, fd, im->file, &im->text);
	if (!input)
		close(fd);
	return err;
}

/* --- a pass --- */

static enum err end_of_batch(struct import *im)
{
	enum err err = OK;

	if (im->n && (!im->writing || im->resume))
		err = import_look(im);
	if (!err && im->n && im->writing)
		err = import_write(im);
	if (!err && im->n && im->writing && im->resume) {
		err = db_commit(im->d);
		if (!err)
			err = db_begin(im->d);
	}
	im->n = 0;
	arena_reset(&im->arena);
	im->batch = arena_zalloc(&im->arena, BATCH * sizeof(*im->batch));
	return err ? err : im->batch ? OK : ERR_NOMEM;
}

static enum err one_line(struct import *im, enum err read, const struct csv_cell *cell, size_t n, const char *why)
{
	struct person *p = &im->batch[im->n];

	if (read == ERR_SYNTAX) {
		import_mistake(im, cell[0].line, cell[0].column, why);
		return OK;
	}
	if (read)
		return ctl_fail(im->c, read, "out of memory");
	if (!import_judge(im, cell, n, p))
		return OK;
	im->without += !im->writing && !p->md5.type && !p->sha256.type;
	im->people += !im->writing;
	im->n++;
	return im->n < BATCH ? OK : end_of_batch(im);
}

static enum err pass(struct import *im, bool writing)
{
	struct csv_cell cell[CSV_MOST_CELLS];
	const char     *why = "";
	size_t          n = 0;
	uint64_t        lines = 0;
	enum err        err, read;

	im->writing = writing;
	if (str_starts(im->text, STR("\xff\xfe")) || str_starts(im->text, STR("\xfe\xff")))
		return ctl_fail(im->c, ERR_STATE, "%s is in UTF-16: save it in UTF-8, or turn it with `iconv -f utf16 -t utf8`", im->file);
	im->csv = csv_open(im->text);
	im->bar = progress_begin(writing ? "writing" : "checking", im->text.len, !im->c->json);
	err = end_of_batch(im);
	if (err)
		return err;
	read = csv_next(&im->csv, &im->arena, cell, &n, &why);
	if (read == ERR_NOT_FOUND)
		return ctl_fail(im->c, ERR_STATE, "%s is empty: its first line names the columns, as user,password,display_name", im->file);
	if (read)
		import_mistake(im, cell[0].line, cell[0].column, why);
	else if (!writing)
		err = import_header(im, cell, n);
	if (im->wrong)
		return OK;	/* what follows would make no sense */
	while (!err && (read = csv_next(&im->csv, &im->arena, cell, &n, &why)) != ERR_NOT_FOUND) {
		err = one_line(im, read, cell, n, why);
		progress_show(&im->bar, im->text.len - im->csv.text.len, ++lines);
	}
	if (!err)
		err = end_of_batch(im);
	progress_end(&im->bar);
	return err;
}

static enum err write_all(struct import *im)
{
	enum err err = db_begin(im->d);

	if (!err)
		err = pass(im, true);
	if (!err)
		err = db_commit(im->d);
	db_rollback(im->d);
	return err;
}

/* --- the answer --- */

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

static enum err refuse(struct import *im)
{
	json_close_list(&im->mistakes);
	im->c->details = json_done(&im->mistakes);
	return ctl_fail(im->c, ERR_STATE, "%llu mistake%s in %s%s; %s", (unsigned long long)im->wrong, plural(im->wrong), im->file,
			im->wrong > 100 ? " (the first 100 are shown)" : "", im->writing && im->resume ? "what stands before is written" : "nothing was changed");
}

static void answer(struct import *im, uint64_t begun_us)
{
	struct ctl *c = im->c;
	uint64_t    added = im->people - im->there, ms = ((uint64_t)clock_unix_us() - begun_us) / 1000;

	json_open_object(&c->out, NULL);
	json_put_int(&c->out, "added", (int64_t)added);
	json_put_int(&c->out, im->resume ? "passed_over" : "changed", (int64_t)im->there);
	json_put_int(&c->out, "without_password", (int64_t)im->without);
	json_put_bool(&c->out, "dry_run", im->dry);
	json_close_object(&c->out);
	c->said = arena_printf(c->arena, "%s%llu user%s %sadded", im->dry ? "dry run, nothing was changed: " : "", (unsigned long long)added, plural(added),
			       im->dry ? "would be " : "");
	if (im->there)
		c->said = arena_printf(c->arena, STR_FMT ", %llu %s", STR_ARG(c->said), (unsigned long long)im->there,
				       im->resume ? "passed over that are there already," : "changed");
	c->said = arena_printf(c->arena, STR_FMT " in %llu.%llu s", STR_ARG(c->said), (unsigned long long)ms / 1000, (unsigned long long)ms % 1000 / 100);
	if (im->without && !im->update && added)
		c->said = arena_printf(c->arena, STR_FMT "\n%llu have no password: they cannot log in until `siparioctl user passwd` gives them one",
				       STR_ARG(c->said), (unsigned long long)im->without);
}

static enum err import_all(struct import *im)
{
	uint64_t begun_us = (uint64_t)clock_unix_us();
	enum err err = import_names(im);

	if (!err)
		err = pass(im, false);
	progress_end(&im->bar);
	if (im->wrong)
		return refuse(im);
	if (!err && !im->dry) {
		if (im->resume)
			im->there = 0;	/* counted again */
		err = write_all(im);
	}
	progress_end(&im->bar);
	if (!err && im->wrong)
		return refuse(im);
	if (!err)
		answer(im, begun_us);
	return err;
}

static void close_all(struct import *im)
{
	db_close(im->d);
	arena_free(&im->arena);
	seen_free(&im->addresses);
	seen_free(&im->domains);
	seen_free(&im->classes);
	seen_free(&im->groups);
	if (im->text.p)
		crypto_wipe((char *)im->text.p, im->text.len);	/* passwords */
	free((char *)im->text.p);
}

static enum err import(struct ctl *c)
{
	struct import im = { .c = c, .mistakes = json_into(c->arena), .update = c->options & OPT_UPDATE, .resume = c->options & OPT_RESUME,
			     .dry = c->options & OPT_DRY };
	enum err      err;

	if (im.update && im.resume)
		return ctl_fail(c, ERR_SYNTAX, "--update and --resume exclude each other: an update may be run again as it is");
	err = open_file(&im, c->argv[0]);
	if (err)
		return err;
	arena_init(&im.arena, NULL, 0, BATCH_MEMORY);
	json_open_list(&im.mistakes, NULL);
	im.d = ctl_open(c);
	err = im.d ? import_all(&im) : ERR_IO;
	close_all(&im);
	return err;
}

const struct ctl_command ctl_import_commands[] = {
	{ "import", NULL, "FILE", "users from a CSV file whose first line names the columns; -: from standard input", OPT_DRY | OPT_UPDATE | OPT_RESUME, import },
	{ "export", NULL, "[FILE] [DOMAIN]", "all users, or a domain's, as CSV that `import` reads; without FILE, or for -: to standard output", OPT_DIGESTS | OPT_FORCE, export_run },
	{ 0 }
};
