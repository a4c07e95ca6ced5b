/* Branches that wait for an answer over a connection, by its peer: when that is lost they are told at once, however many there are. Errors
 * of datagrams come within milliseconds and are for what was sent lately (branch.c); a connection may die much later. */
#include "base/hash.h"
#include "base/random.h"
#include "tm/trans.h"

enum { CHAINS = 1024 };	/* 24 kB; few branches wait for their first answer at a time */

struct chain {
	struct lock lock;	/* RANK_PEER: the list, and `waiting` of its members */
	struct list list;
};
static struct {
	struct chain   *chain;	/* shared */
	struct hash_key key;
} peers;

enum err peers_boot(void)
{
	peers.chain = shm_alloc(tm_owner(), CHAINS * sizeof(*peers.chain));
	if (!peers.chain)
		return ERR_NOMEM;
	random_bytes(&peers.key, sizeof(peers.key));
	for (size_t i = 0; i < CHAINS; i++) {
		lock_init(&peers.chain[i].lock, RANK_PEER);
		list_init(&peers.chain[i].list);
	}
	return OK;
}

static struct chain *chain_of(const struct addr *peer)
{
	uint16_t          port = addr_port(peer);
	struct hash_state h;

	hash_begin(&h, &peers.key);
	hash_add(&h, addr_ip_bytes(peer));
	hash_add(&h, str_n((const char *)&port, sizeof(port)));
	return &peers.chain[hash_end(&h) % CHAINS];
}

void peers_add(const struct trans *t, struct branch *b)
{
	struct chain *c;

	if (!b->m.reliable)
		return;
	c = chain_of(&b->to.peer);
	b->trans_id = t->id;
	lock(&c->lock);
	list_append(&c->list, &b->waiting);
	unlock(&c->lock);
}

void peers_remove(struct branch *b)
{
	struct chain *c;

	if (!b->m.reliable)
		return;
	c = chain_of(&b->to.peer);
	lock(&c->lock);
	list_remove(&b->waiting);
	unlock(&c->lock);
}

size_t peers_take(const struct flow *to, struct waiting *out, size_t most)
{
	struct chain *c = chain_of(&to->peer);
	size_t        n = 0;

	lock(&c->lock);
	LIST_EACH_SAFE(struct branch, b, &c->list, waiting) {
		if (n == most)
			break;
		if (b->to.via->transport != to->via->transport || !addr_eq(&b->to.peer, &to->peer))
			continue;
		out[n++] = (struct waiting){ b->trans_id, b->index };
		list_remove(&b->waiting);
	}
	unlock(&c->lock);
	return n;
}
