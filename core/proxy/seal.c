/* Proof in our Record-Route that a dialog began here. Within a dialog a request goes wherever its Route and Request-URI say, and no script is asked;
 * without proof anybody could write a To tag and a Route that names us, and would have an open relay. The seal covers what all requests of a
 * dialog have in common when its first one is sent on: the Call-ID and the caller's tag, which stands in From or in To, by direction (RFC
 * 3261 §12.2.1.1). Nothing is remembered for it. It is the user part, as the flow tokens of RFC 5626 §5.2 are. */
#include "base/crypto.h"
#include "base/random.h"
#include "proxy/internal.h"

struct seal_settings dialog_seal;

static struct {
	struct hash_key key;
	bool            set;	/* made of a secret: kept when shared memory is built anew, for dialogs live on */
} seal;

enum err proxy_set_secret(struct str secret)
{
	const struct str use = STR("sipario dialog seal");	/* other uses of the same secret get other keys */
	unsigned char    mac[SHA256_BYTES];
	enum err         err = hmac_sha256(secret, &use, 1, mac);

	if (err)
		return err;
	memcpy(&seal.key, mac, sizeof(seal.key));
	crypto_wipe(mac, sizeof(mac));
	seal.set = true;
	return OK;
}

void seal_boot(void)
{
	if (!seal.set)
		random_bytes(&seal.key, sizeof(seal.key));
}

static struct str seal_of(struct str call_id, struct str tag, char room[SEAL_BYTES])
{
	struct buf b = buf_on(room, SEAL_BYTES);

	buf_hex64(&b, hash_mac(&seal.key, call_id, tag));
	return buf_str(&b);
}

struct str seal_write(struct msg *m, char room[SEAL_BYTES])
{
	return dialog_seal.on ? seal_of(msg_call_id(m), msg_from_tag(m), room) : STR_NONE;
}

bool seal_good(struct msg *m, const struct uri *u)
{
	struct str call_id = msg_call_id(m);
	char       room[SEAL_BYTES];

	if (!dialog_seal.on)
		return true;
	if (u->user.len != SEAL_BYTES)
		return false;
	return crypto_equal(u->user, seal_of(call_id, msg_from_tag(m), room)) || crypto_equal(u->user, seal_of(call_id, msg_to_tag(m), room));
}
