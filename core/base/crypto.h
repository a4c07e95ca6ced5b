#pragma once
/* Digests: the only file that knows OpenSSL's libcrypto. Not for threads: each process has its own working state. */
#include "base/str.h"

enum { MD5_BYTES = 16, MD5_HEX = 32, SHA256_BYTES = 32, SHA256_HEX = 64 };

/* Digest of the slices, one after the other, as lower-case hexadecimal without a NUL (RFC 7616 §3.1, "LHEX").
 * ERR_UNSUPPORTED: the library refuses the algorithm (a FIPS policy and MD5); ERR_NOMEM. */
MUST_CHECK enum err md5_hex(const struct str *part, size_t n, char out[MD5_HEX]);
MUST_CHECK enum err sha256_hex(const struct str *part, size_t n, char out[SHA256_HEX]);
/* HMAC-SHA-256 (RFC 2104) of at most 16 slices (ERR_LIMIT), one after the other. */
MUST_CHECK enum err hmac_sha256(struct str key, const struct str *part, size_t n, unsigned char out[SHA256_BYTES]);
/* The same by algorithm, as lower-case hexadecimal of digest_bytes() * 2 characters. A hmac takes one key and one text. */
enum digest_kind { DIGEST_MD5, DIGEST_SHA1, DIGEST_SHA256, DIGEST_SHA512, DIGESTS };
enum { DIGEST_MOST_BYTES = 64, DIGEST_MOST_HEX = 2 * DIGEST_MOST_BYTES };
size_t digest_bytes(enum digest_kind d);
MUST_CHECK enum err digest_hex(enum digest_kind d, const struct str *part, size_t n, char out[DIGEST_MOST_HEX]);
MUST_CHECK enum err hmac_hex(enum digest_kind d, struct str key, struct str text, char out[DIGEST_MOST_HEX]);
/* The time it takes depends on the lengths only: for digests and signatures a peer sent. */
bool crypto_equal(struct str a, struct str b);
/* Overwrite a secret; not optimised away. */
void crypto_wipe(void *p, size_t n);
/* Name and version of the library in use, for `sipario -V`. */
const char *crypto_library(void);

/* The first certificate of a PEM file: how many seconds it is still valid (negative: it has expired). ERR_IO: no such file; ERR_SYNTAX: none in it. */
MUST_CHECK enum err crypto_certificate(const char *path, int64_t *left_s);

/* H(user:realm:password), RFC 7616 §3.4.2: what is kept instead of a password. */
struct ha1 {
	char md5[MD5_HEX];
	char sha256[SHA256_HEX];
};
MUST_CHECK enum err ha1_make(struct str user, struct str realm, struct str password, struct ha1 *out);
