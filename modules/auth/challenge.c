#include "modules/auth/auth.h"

static const struct asking as_registrar = { 401, H_AUTHORIZATION, "WWW-Authenticate" };
static const struct asking as_proxy = { 407, H_PROXY_AUTHORIZATION, "Proxy-Authenticate" };

const struct asking *asking_for(enum method m)
{
	return m == M_REGISTER ? &as_registrar : &as_proxy;
}

static bool offers_md5(void)
{
	for (uint32_t left = auth_cfg.algorithms; left; left >>= 4)
		if ((left & 15) == ALG_MD5 + 1)
			return true;
	return false;
}

uint32_t algorithms_for(struct str agent)
{
	struct str rest = auth_cfg.md5_only;

	while (agent.len && rest.len) {
		struct str start = str_trim(str_take_until(&rest, ','));

		if (start.len && str_istarts(agent, start) && offers_md5())
			return ALG_MD5 + 1;
	}
	return auth_cfg.algorithms;
}

enum err challenge_write(const struct asking *as, uint32_t algorithms, struct str realm, bool stale, struct buf *out)
{
	char     nonce[NONCE_HEX];
	enum err err = nonce_make(realm, nonce);

	if (err)
		return err;
	for (uint32_t left = algorithms; left; left >>= 4) {
		buf_add(out, str_of(as->challenge));
		BUF_LIT(out, ": Digest realm=\"");
		buf_add(out, realm);
		BUF_LIT(out, "\", nonce=\"");
		buf_add(out, str_n(nonce, NONCE_HEX));
		BUF_LIT(out, "\", algorithm=");
		buf_add(out, algorithm_name((enum algorithm)((left & 15) - 1)));
		BUF_LIT(out, ", qop=\"auth\"");
		if (stale)
			BUF_LIT(out, ", stale=true");
		BUF_LIT(out, "\r\n");
	}
	return buf_ok(out) ? OK : ERR_LIMIT;
}
