/* Merged requests (RFC 3261 §8.2.2.2): one that was forked on its way and arrives here by two of the branches. Only a server that is itself
 * the user agent refuses the second; a proxy carries both (§16.3), and what loops is found in loop.c.
 *
 * What has been served lately is kept in one shared array, a word each, for as long as a transaction over UDP lives. Many REGISTERs are
 * answered without a transaction, so the table of those would not do. A word that is overwritten by another request is a merged one let
 * through, which is what a server without this check does always. */
#include "base/clock.h"
#include "proxy/internal.h"
#include "shm/shm.h"

enum { WORDS = 16384 };	/* 128 kB */

static struct {
	uint64_t *word;	/* shared: 32 bits of the request, 16 of the branch, 16 of the time in seconds */
} table;

enum err merged_boot(void)
{
	table.word = shm_zalloc(shm_owner_new("proxy"), WORDS * sizeof(*table.word));
	return table.word ? OK : ERR_NOMEM;
}

static uint64_t request_hash(struct msg *m)
{
	const struct cseq *cseq = msg_cseq(m);
	struct hash_state  h;

	hash_begin(&h, proxy_key());
	hash_add(&h, msg_call_id(m));
	hash_add(&h, msg_from_tag(m));
	hash_add(&h, cseq ? str_n((const char *)&cseq->num, sizeof(cseq->num)) : STR_NONE);
	return hash_end(&h);
}

/* What makes it another transaction (§17.2.3). */
static uint64_t branch_hash(struct msg *m)
{
	const struct via *top = msg_via1(m);
	struct hash_state h;

	hash_begin(&h, proxy_key());
	hash_add(&h, top ? top->branch : STR_NONE);
	hash_add(&h, top ? top->host : STR_NONE);
	return hash_end(&h);
}

static bool is_merged(uint64_t old, uint64_t now)
{
	uint16_t age_s = (uint16_t)(now - old);

	return old && old >> 32 == now >> 32 && (uint16_t)(old >> 16) != (uint16_t)(now >> 16) && age_s <= 64 * tm_timers.t1 / 1000;
}

bool request_merged(struct request *r)
{
	uint64_t  h = request_hash(&r->msg), *word = &table.word[h % WORDS];
	uint64_t  now = (h >> 32) << 32 | (branch_hash(&r->msg) & 0xffff) << 16 | (clock_ms() / 1000 & 0xffff);
	uint64_t  old = __atomic_load_n(word, __ATOMIC_RELAXED);

	if (msg_to_tag(&r->msg).len)
		return false;
	do {
		if (is_merged(old, now)) {
			counter_inc(&count_merged);
			if (request_reply(r, 482, STR_NONE, STR_NONE))
				log_debug(&r->c, "could not answer 482");
			return true;
		}
	} while (!__atomic_compare_exchange_n(word, &old, now, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return false;
}
