/* Proof in our Record-Route that a dialog began here. Within a dialog a request goes wherever its Route and Request-URI say, and no script is asked;
 * without proof anybody could write a To tag and a Route that names us, and would have an open relay. The seal covers what all requests of a
 * dialog have in common when its first one is sent on: the Call-ID and the caller's tag, which stands in From or in To, by direction (RFC
 * 3261 §12.2.1.1). Nothing is remembered for it. It is the user part, as the flow tokens of RFC 5626 §5.2 are. */
#include "base/crypto.h"
#include "base/random.h"
#include "proxy/internal.h"
#include "shm/shm.h"

struct seal_settings dialog_seal;

/* The last key seals, each is good: a server that had to begin without its own draws one, and gets it later. */
struct keys {
	struct hash_key key[2];
	uint32_t        count;	/* atomic; what it counts does not change any more */
};
static struct {
	struct hash_key key;
	bool            set;	/* made of a secret: kept when shared memory is built anew, for dialogs live on */
	bool            awaited;	/* it is not the one that is wanted */
	struct keys    *keys;	/* shared: all processes seal alike from one instant on */
} seal;

static enum err key_of(struct str secret, struct hash_key *out)
{
	const struct str use = STR("sipario dialog seal");	/* other uses of the same secret get other keys */
	unsigned char    mac[SHA256_BYTES];
	enum err         err = hmac_sha256(secret, &use, 1, mac);

	if (err)
		return err;
	memcpy(out, mac, sizeof(*out));
	crypto_wipe(mac, sizeof(mac));
	return OK;
}

enum err proxy_set_secret(struct str secret, bool awaited)
{
	enum err err = key_of(secret, &seal.key);

	if (err)
		return err;
	seal.set = true;
	seal.awaited = awaited;
	return OK;
}

static uint32_t key_count(void)
{
	return __atomic_load_n(&seal.keys->count, __ATOMIC_ACQUIRE);
}

/* Several processes may bring it: it is the same. */
enum err proxy_add_secret(struct str secret)
{
	struct hash_key key = seal.keys->key[0];
	enum err        err = secret.len ? key_of(secret, &key) : OK;

	if (err || !proxy_secret_awaited())
		return err;
	seal.keys->key[1] = key;
	__atomic_store_n(&seal.keys->count, 2, __ATOMIC_RELEASE);
	return OK;
}

bool proxy_secret_awaited(void)
{
	return seal.awaited && key_count() < COUNT_OF(seal.keys->key);
}

enum err seal_boot(void)
{
	if (!seal.set)
		random_bytes(&seal.key, sizeof(seal.key));
	seal.keys = shm_zalloc(shm_owner_new("proxy"), sizeof(*seal.keys));
	if (!seal.keys)
		return ERR_NOMEM;
	seal.keys->key[0] = seal.key;
	seal.keys->count = 1;
	return OK;
}

static struct str seal_of(uint32_t n, struct str call_id, struct str tag, char room[SEAL_BYTES])
{
	struct buf b = buf_on(room, SEAL_BYTES);

	buf_hex64(&b, hash_mac(&seal.keys->key[n], call_id, tag));
	return buf_str(&b);
}

struct str seal_write(struct msg *m, char room[SEAL_BYTES])
{
	return dialog_seal.on ? seal_of(key_count() - 1, msg_call_id(m), msg_from_tag(m), room) : STR_NONE;
}

static bool good_by(uint32_t n, struct msg *m, struct str text)
{
	struct str call_id = msg_call_id(m);
	char       room[SEAL_BYTES];

	return crypto_equal(text, seal_of(n, call_id, msg_from_tag(m), room)) || crypto_equal(text, seal_of(n, call_id, msg_to_tag(m), room));
}

bool seal_good(struct msg *m, const struct uri *u)
{
	if (!dialog_seal.on)
		return true;
	if (u->user.len != SEAL_BYTES)
		return false;
	for (uint32_t n = key_count(); n-- > 0;)
		if (good_by(n, m, u->user))
			return true;
	return false;
}
