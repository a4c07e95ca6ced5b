/* core/base/crypto: against the vectors of the RFCs. */
#include "test.h"

#include "base/buf.h"
#include "base/crypto.h"

TEST(md5_gives_the_vectors_of_rfc_1321)
{
	static const struct { const char *in, *want; } rows[] = {	/* RFC 1321 §A.5 */
		{ "", "d41d8cd98f00b204e9800998ecf8427e" },
		{ "a", "0cc175b9c0f1b6a831c399e269772661" },
		{ "abc", "900150983cd24fb0d6963f7d28e17f72" },
		{ "message digest", "f96b697d7cb7938d525a2f31aaf161d0" },
		{ "12345678901234567890123456789012345678901234567890123456789012345678901234567890", "57edf4a22be3c955ac49da2e2107b67a" },
	};
	char out[MD5_HEX];

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct str in = str_of(rows[i].in);

		CHECK_ROW(!md5_hex(&in, 1, out) && str_is(str_n(out, MD5_HEX), rows[i].want), rows[i].in);
	}
}

TEST(sha256_gives_the_vectors_of_fips_180)
{
	static const struct { const char *in, *want; } rows[] = {	/* FIPS 180-2 §B, also RFC 6234 §8.5 */
		{ "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
		{ "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
	};
	char out[SHA256_HEX];

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct str in = str_of(rows[i].in);

		CHECK_ROW(!sha256_hex(&in, 1, out) && str_is(str_n(out, SHA256_HEX), rows[i].want), rows[i].in);
	}
}

TEST(a_digest_of_parts_is_the_digest_of_the_whole)
{
	struct str parts[] = { STR("ab"), STR(""), STR("c") };
	char       out[MD5_HEX];

	CHECK(!md5_hex(parts, 3, out));
	CHECK_STR(str_n(out, MD5_HEX), "900150983cd24fb0d6963f7d28e17f72");
}

TEST(hmac_gives_the_vectors_of_rfc_4231)
{
	static char key6[131], out[64];
	static const struct { const char *key, *in, *want; } rows[] = {
		{ "\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b", "Hi There",	/* §4.2 */
		  "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
		{ "Jefe", "what do ya want for nothing?",	/* §4.3 */
		  "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
		{ NULL, "Test Using Larger Than Block-Size Key - Hash Key First",	/* §4.7: 131 times aa */
		  "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
	};

	memset(key6, 0xaa, sizeof(key6));
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct str    key = rows[i].key ? str_of(rows[i].key) : str_n(key6, sizeof(key6));
		struct str    in[] = { str_to(str_of(rows[i].in), 4), str_from(str_of(rows[i].in), 4) };
		unsigned char raw[SHA256_BYTES];
		struct buf    b = buf_on(out, sizeof(out));

		CHECK(!hmac_sha256(key, in, 2, raw));
		buf_hex(&b, raw, sizeof(raw));
		CHECK_ROW(str_is(buf_str(&b), rows[i].want), rows[i].in);
	}
}

TEST(ha1_is_the_example_of_rfc_7616)
{
	struct ha1 h;
	/* §3.9.1: the HA1 behind the responses there, Mufasa of http-auth@example.org */
	CHECK(!ha1_make(STR("Mufasa"), STR("http-auth@example.org"), STR("Circle of Life"), &h));
	CHECK_STR(str_n(h.md5, MD5_HEX), "3d78807defe7de2157e2b0b6573a855f");
	CHECK_STR(str_n(h.sha256, SHA256_HEX), "7987c64c30e25f1b74be53f966b49b90f2808aa92faf9a00262392d7b4794232");
}

TEST(equal_compares_whole_slices)
{
	CHECK(crypto_equal(STR("abc"), STR("abc")));
	CHECK(!crypto_equal(STR("abc"), STR("abd")));
	CHECK(!crypto_equal(STR("abc"), STR("ab")));
	CHECK(crypto_equal(STR_NONE, STR("")));
}
