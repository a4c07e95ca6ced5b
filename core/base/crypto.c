#include "base/crypto.h"

#include <stdio.h>

#include "base/buf.h"

/* OpenSSL has a type of that name; ours is not needed here. */
#define ERR_STATE openssl_err_state
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#undef ERR_STATE

/* Fetched once: EVP_md5() looks its provider up again at every use in OpenSSL 3. */
static struct {
	EVP_MD_CTX *ctx;
	EVP_MD     *md5, *sha256, *any[DIGESTS];
} lib;

static EVP_MD *fetch(EVP_MD **kept, const char *name)
{
	if (!*kept)
		*kept = EVP_MD_fetch(NULL, name, NULL);
	return *kept;
}

static enum err digest(EVP_MD *md, const struct str *part, size_t n, unsigned char *out)
{
	if (!md)
		return ERR_UNSUPPORTED;
	if (!lib.ctx && !(lib.ctx = EVP_MD_CTX_new()))
		return ERR_NOMEM;
	if (!EVP_DigestInit_ex2(lib.ctx, md, NULL))
		return ERR_UNSUPPORTED;
	for (size_t i = 0; i < n; i++)
		if (part[i].len && !EVP_DigestUpdate(lib.ctx, part[i].p, part[i].len))
			return ERR_NOMEM;
	return EVP_DigestFinal_ex(lib.ctx, out, NULL) ? OK : ERR_NOMEM;
}

static void to_hex(char *out, const unsigned char *in, size_t n)
{
	struct buf b = buf_on(out, n * 2);

	buf_hex(&b, in, n);
}

enum err md5_hex(const struct str *part, size_t n, char out[MD5_HEX])
{
	unsigned char raw[MD5_BYTES];
	enum err      err = digest(fetch(&lib.md5, "MD5"), part, n, raw);

	if (!err)
		to_hex(out, raw, sizeof(raw));
	return err;
}

enum err sha256_hex(const struct str *part, size_t n, char out[SHA256_HEX])
{
	unsigned char raw[SHA256_BYTES];
	enum err      err = digest(fetch(&lib.sha256, "SHA256"), part, n, raw);

	if (!err)
		to_hex(out, raw, sizeof(raw));
	return err;
}

/* --- by algorithm --- */

/* Bytes of the digest, and of the blocks it works on (RFC 1321, FIPS 180-4 figure 1). */
static const struct {
	const char *name;
	size_t      bytes, block;
} digests[DIGESTS] = {
	[DIGEST_MD5] = { "MD5", 16, 64 }, [DIGEST_SHA1] = { "SHA1", 20, 64 }, [DIGEST_SHA256] = { "SHA256", 32, 64 }, [DIGEST_SHA512] = { "SHA512", 64, 128 },
};

size_t digest_bytes(enum digest_kind d)
{
	return digests[d].bytes;
}

enum err digest_hex(enum digest_kind d, const struct str *part, size_t n, char out[DIGEST_MOST_HEX])
{
	unsigned char raw[DIGEST_MOST_BYTES];
	enum err      err = digest(fetch(&lib.any[d], digests[d].name), part, n, raw);

	if (!err)
		to_hex(out, raw, digests[d].bytes);
	return err;
}

enum err hmac_hex(enum digest_kind d, struct str key, struct str text, char out[DIGEST_MOST_HEX])
{
	enum { MOST_BLOCK = 128 };
	EVP_MD       *md = fetch(&lib.any[d], digests[d].name);
	size_t        block = digests[d].block;
	unsigned char k[MOST_BLOCK] = { 0 }, ipad[MOST_BLOCK], opad[MOST_BLOCK], raw[DIGEST_MOST_BYTES];
	enum err      err = OK;

	if (key.len > block)
		err = digest(md, &key, 1, k);
	else if (key.len)
		memcpy(k, key.p, key.len);
	for (size_t i = 0; i < block; i++) {
		ipad[i] = k[i] ^ 0x36;
		opad[i] = k[i] ^ 0x5c;
	}
	if (!err)
		err = digest(md, (struct str[]){ { (char *)ipad, block }, text }, 2, raw);
	if (!err)
		err = digest(md, (struct str[]){ { (char *)opad, block }, { (char *)raw, digests[d].bytes } }, 2, raw);
	if (!err)
		to_hex(out, raw, digests[d].bytes);
	crypto_wipe(k, sizeof(k));
	crypto_wipe(ipad, sizeof(ipad));
	crypto_wipe(opad, sizeof(opad));
	return err;
}

/* H(K ^ opad, H(K ^ ipad, text)), RFC 2104 §2: on the kept context, since EVP_MAC allocates at every use. */
enum err hmac_sha256(struct str key, const struct str *part, size_t n, unsigned char out[SHA256_BYTES])
{
	enum { BLOCK = 64, MOST_PARTS = 16 };
	unsigned char k[BLOCK] = { 0 }, ipad[BLOCK], opad[BLOCK], inner[SHA256_BYTES];
	struct str    all[MOST_PARTS + 1] = { { .p = (char *)ipad, .len = BLOCK } };
	EVP_MD       *md = fetch(&lib.sha256, "SHA256");
	enum err      err = OK;

	if (n > MOST_PARTS)
		return ERR_LIMIT;
	if (key.len > BLOCK)
		err = digest(md, &key, 1, k);
	else if (key.len)
		memcpy(k, key.p, key.len);
	for (size_t i = 0; i < BLOCK; i++) {
		ipad[i] = k[i] ^ 0x36;
		opad[i] = k[i] ^ 0x5c;
	}
	for (size_t i = 0; i < n; i++)
		all[i + 1] = part[i];
	if (!err)
		err = digest(md, all, n + 1, inner);
	if (!err)
		err = digest(md, (struct str[]){ { (char *)opad, BLOCK }, { (char *)inner, sizeof(inner) } }, 2, out);
	crypto_wipe(k, sizeof(k));
	crypto_wipe(ipad, sizeof(ipad));
	crypto_wipe(opad, sizeof(opad));
	return err;
}

bool crypto_equal(struct str a, struct str b)
{
	return a.len == b.len && (a.len == 0 || CRYPTO_memcmp(a.p, b.p, a.len) == 0);
}

void crypto_wipe(void *p, size_t n)
{
	OPENSSL_cleanse(p, n);
}

enum err ha1_make(struct str user, struct str realm, struct str password, struct ha1 *out)
{
	struct str part[] = { user, STR(":"), realm, STR(":"), password };
	struct ha1 made = { 0 };
	enum err   err = md5_hex(part, COUNT_OF(part), made.md5);

	if (!err)
		err = sha256_hex(part, COUNT_OF(part), made.sha256);
	if (!err)
		*out = made;
	return err;
}

enum err crypto_certificate(const char *path, int64_t *left_s)
{
	FILE    *f = fopen(path, "re");
	X509    *cert = f ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;
	enum err err = !f ? ERR_IO : ERR_SYNTAX;
	int      days, seconds;

	if (cert && ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(cert))) {
		*left_s = (int64_t)days * 86400 + seconds;
		err = OK;
	}
	X509_free(cert);
	if (f)
		fclose(f);
	return err;
}

const char *crypto_library(void)
{
	return OpenSSL_version(OPENSSL_VERSION);
}
