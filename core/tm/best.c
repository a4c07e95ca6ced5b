/* Which final answer goes upstream (RFC 3261 §16.7 step 6). */
#include "tm/trans.h"

enum { HELD_MOST_BYTES = 16 * 1024 };	/* whatever all branches say */

static bool is_challenge(uint16_t status)
{
	return status == 401 || status == 407;
}

/* Two answers of which the caller gets all that they tell: challenges (§16.7 step 7), and where the callee may be found (step 6: "combining
 * Contact values"; not a 305, whose Contact is a proxy, nor a 380). */
static bool go_together(uint16_t a, uint16_t b)
{
	return (is_challenge(a) && is_challenge(b)) || (a / 100 == 3 && b / 100 == 3 && a <= 302 && b <= 302);
}

/* The lower the better. 6xx wins over all; then the lowest class; in 4xx those that tell how to do better; a timeout tells nothing. Where
 * the caller has cancelled, 487 is what it waits for (§9.2). Else the lowest code. */
static unsigned rank(uint16_t status, bool cancelled)
{
	static const uint16_t telling[] = { 401, 407, 415, 420, 484 };
	unsigned              class = status / 100u * 1000;

	if (status >= 600)
		return 0;
	if (status == 487 && cancelled)
		return class;
	for (size_t i = 0; i < COUNT_OF(telling); i++)
		if (status == telling[i])
			return is_challenge(status) ? class + 1 : class + 2;
	if (status == 408)
		return class + 900;
	return class + status % 100 + 10;
}

void best_clear_locked(struct trans *t)
{
	text_free(&t->best.bytes);
	t->best = (struct best){ 0 };
}

void best_set_locked(struct trans *t, uint16_t status)
{
	best_clear_locked(t);
	t->best.status = status;
}

/* Further fields go behind the status line of the answer that is held. */
static void join_locked(struct trans *t, struct str fields)
{
	struct str old = t->best.bytes, rest = old, line;
	struct buf out;

	if (!old.p || !fields.len || old.len + fields.len > HELD_MOST_BYTES)
		return;
	line = str_take_until(&rest, '\n');
	out = buf_on(shm_alloc(tm_owner(), old.len + fields.len), old.len + fields.len);
	if (!out.p)
		return;
	buf_add(&out, line);
	buf_ch(&out, '\n');
	buf_add(&out, fields);
	buf_add(&out, rest);
	text_free(&t->best.bytes);
	t->best.bytes = buf_str(&out);
}

void best_offer_locked(struct trans *t, unsigned branch, const struct answer *an)
{
	struct best *best = &t->best;

	if (go_together(best->status, an->status)) {
		join_locked(t, an->joins);
		return;
	}
	if (best->status && rank(an->status, t->cancelled) >= rank(best->status, t->cancelled))
		return;
	best_set_locked(t, an->status);
	best->branch = (uint8_t)branch;
	if (an->text.p)		/* without memory the caller hears the status at least */
		best->bytes = shm_dup(tm_owner(), an->text);
}

void best_send_locked(struct trans *t, struct acts *a)
{
	struct str kept = t->best.bytes;

	t->best.bytes = STR_NONE;
	/* §16.7 step 6: 503 means this proxy to the caller, which is not what it is about */
	(void)server_final_locked(t, a, t->best.status == 503 ? 500 : t->best.status, STR_NONE, kept);
}
