#include "process/version.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crypto.h"

enum { PLACES = 3, MOST_IMAGE = 256 << 20, MOST_REPORT = 64 << 20 };

/* One of the two is written while the other is read. */
struct page {
	struct versions copy[2];
	uint32_t        which;		/* its lowest bit: the one to read */
};
static struct {
	const char           *file;
	struct script_options options;
	struct page          *page;
	int                   fd[PLACES];
} all;

static enum err cannot(const char *what, char *why, size_t cap)
{
	snprintf(why, cap, "cannot keep the configuration for reloads: %s", what);
	return ERR_IO;
}

static enum err places_make(void)
{
	for (unsigned i = 0; i < PLACES; i++) {
		all.fd[i] = memfd_create("sipario-configuration", MFD_CLOEXEC);
		if (all.fd[i] < 0)
			return ERR_IO;
	}
	all.page = mmap(NULL, sizeof(*all.page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return all.page == MAP_FAILED ? ERR_IO : OK;
}

struct versions versions_get(void)
{
	struct versions v = { 0 };
	uint32_t        which;

	if (!all.page)
		return v;	/* a server without a start: tests */
	do {
		which = __atomic_load_n(&all.page->which, __ATOMIC_ACQUIRE);
		v = all.page->copy[which & 1];
	} while (which != __atomic_load_n(&all.page->which, __ATOMIC_ACQUIRE));
	return v;
}

static void put(const struct versions *v)
{
	uint32_t next = all.page->which + 1;

	all.page->copy[next & 1] = *v;
	__atomic_store_n(&all.page->which, next, __ATOMIC_RELEASE);
}

static bool write_all(int fd, struct str s)
{
	while (s.len) {
		ssize_t n = write(fd, s.p, s.len);

		if (n <= 0)
			return false;
		s = str_from(s, (size_t)n);
	}
	return true;
}

static enum err store_at(uint32_t place, struct str image, struct version *out)
{
	char hex[SHA256_HEX];

	if (image.len > MOST_IMAGE)
		return ERR_LIMIT;
	if (sha256_hex(&image, 1, hex) || ftruncate(all.fd[place], 0) || lseek(all.fd[place], 0, SEEK_SET) || !write_all(all.fd[place], image))
		return ERR_IO;
	*out = (struct version){ .place = place, .bytes = image.len };
	memcpy(out->digest, hex, sizeof(out->digest) - 1);
	return OK;
}

enum err version_store(struct str image, struct version *out)
{
	struct versions v = versions_get();
	uint32_t        place = 0;

	while (place == v.now.place || (v.before.number && place == v.before.place))
		place++;
	return store_at(place, image, out);
}

enum err versions_boot(const char *file, const struct script_options *o, const struct script *s, char *why, size_t cap)
{
	struct versions v = { .epoch = 1, .last = 1 };
	struct arena    a;
	struct str      image;
	enum err        err;

	all.file = file;
	all.options = *o;
	if (places_make())
		return cannot(strerror(errno), why, cap);
	arena_init(&a, NULL, 0, 2 * (size_t)MOST_IMAGE);
	image = script_image(s, &a);
	err = image.p ? store_at(0, image, &v.now) : ERR_NOMEM;
	arena_free(&a);
	if (err)
		return cannot(err_name(err), why, cap);
	v.now.number = 1;
	v.now.loaded_unix = clock_unix();
	put(&v);
	return OK;
}

const char *versions_file(void)
{
	return all.file;
}

struct script_options versions_options(void)
{
	return (struct script_options){ .defines = all.options.defines, .define_count = all.options.define_count, .strict = all.options.strict };
}

/* malloc'ed; .p NULL: it is not there. */
static struct str read_place(const struct version *v)
{
	char  *p = v->place < PLACES && v->bytes <= MOST_IMAGE ? malloc(v->bytes + 1) : NULL;
	size_t at = 0;

	while (p && at < v->bytes) {
		ssize_t n = pread(all.fd[v->place], p + at, v->bytes - at, (off_t)at);

		if (n <= 0) {
			free(p);
			return STR_NONE;
		}
		at += (size_t)n;
	}
	return p ? str_n(p, at) : STR_NONE;
}

struct script *version_check(const struct version *v, const struct script_options *o, struct arena *a, struct str *report)
{
	struct str     image = read_place(v);
	struct script *s;

	*report = STR("no memory\n");
	if (!image.p)
		return NULL;
	s = script_load_image(image, o, a, report);
	free((void *)image.p);
	return s;
}

struct script *version_load(const struct version *v)
{
	struct script_options o = versions_options();
	struct str            report;
	struct arena          a;
	struct script        *s;

	arena_init(&a, NULL, 0, MOST_REPORT);
	s = version_check(v, &o, &a, &report);
	arena_free(&a);
	return s;
}

void versions_switch(const struct version *next)
{
	struct versions v = versions_get();

	v.before = v.now;
	v.now = *next;
	v.epoch++;
	if (next->number > v.last)
		v.last = next->number;
	put(&v);
}
