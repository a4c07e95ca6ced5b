#include "base/keep.h"

#include <stdlib.h>

#include "base/hash.h"

enum { CHAINS = 1024 };

struct kept {
	struct kept *next;
	size_t       len;
	char         text[];
};
static struct {
	struct kept *chain[CHAINS];
} all;

/* An operator writes these texts, not a peer: the key need not be secret. */
static struct kept **chain_of(struct str s)
{
	static const struct hash_key key = { { 0 } };

	return &all.chain[hash_str(&key, s) % CHAINS];
}

struct str text_keep(struct str s)
{
	struct kept **at = chain_of(s), *k;

	for (k = *at; k; k = k->next)
		if (str_eq(str_n(k->text, k->len), s))
			return str_n(k->text, k->len);
	k = malloc(sizeof(*k) + s.len + 1);
	if (!k)
		return STR_NONE;
	*k = (struct kept){ .next = *at, .len = s.len };
	if (s.len)
		memcpy(k->text, s.p, s.len);
	k->text[s.len] = '\0';
	*at = k;
	return str_n(k->text, k->len);
}
