#include "modules/cdr/cdr.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/random.h"

/* Several servers may write into one table: the beginning of an id says whose row it is, the rest is a hash that nobody outside can foresee. Both are drawn once and
 * kept, so that a server finds its calls again after a restart, and knows an INVITE that it has a record of. */
enum { PREFIX_DIGITS = 8 };

static struct {
	struct hash_key key;
	char            prefix[PREFIX_DIGITS + 2];	/* with the dash */
} node;

static bool read_file(const char *path)
{
	char    text[128];
	int     fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	if (sscanf(text, "%8[0-9a-f] %16" SCNx64 " %16" SCNx64, node.prefix, &node.key.k[0], &node.key.k[1]) != 3 || strlen(node.prefix) != PREFIX_DIGITS)
		return false;
	node.prefix[PREFIX_DIGITS] = '-';
	return true;
}

void node_draw(void)
{
	random_bytes(&node.key, sizeof(node.key));
	snprintf(node.prefix, sizeof(node.prefix), "%08x-", (unsigned)(random_u64() & UINT32_MAX));
}

/* Whole or not at all: under another name first. */
static bool write_file(const char *path)
{
	char fresh[320], text[64];
	int  fd, n;
	bool good;

	node_draw();
	snprintf(fresh, sizeof(fresh), "%s.new", path);
	n = snprintf(text, sizeof(text), "%.8s %016" PRIx64 " %016" PRIx64 "\n", node.prefix, node.key.k[0], node.key.k[1]);
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	good = write(fd, text, (size_t)n) == n && !fsync(fd);
	close(fd);
	return good && !rename(fresh, path) && read_file(path);
}

enum err node_load(struct str folder, char *why, size_t cap)
{
	char path[300];

	snprintf(path, sizeof(path), STR_FMT "/node", STR_ARG(folder));
	if (read_file(path) || write_file(path))
		return OK;
	snprintf(why, cap, "%s cannot be written: %s; see the setting spool", path, strerror(errno));
	return ERR_IO;
}

uint64_t cdr_key(struct str s)
{
	return hash_str(&node.key, s);
}

uint64_t cdr_number(struct msg *m)
{
	const struct via  *via = msg_via1(m);
	const struct cseq *cseq = msg_cseq(m);
	struct hash_state  h;

	hash_begin(&h, &node.key);
	hash_add(&h, msg_call_id(m));
	hash_add(&h, msg_from_tag(m));
	hash_add(&h, via ? via->branch : STR_NONE);
	hash_add(&h, cseq ? str_n((const char *)&cseq->num, sizeof(cseq->num)) : STR_NONE);
	return hash_end(&h);
}

void cdr_id_write(uint64_t number, struct buf *out)
{
	buf_add(out, node_prefix());
	buf_hex64(out, number);
}

struct str node_prefix(void)
{
	return str_n(node.prefix, PREFIX_DIGITS + 1);
}
