/* The torture messages of RFC 4475 and RFC 5118: what this floor decides about each. The folder comes from
 * SIPARIO_SHARED; msg_parse_test.c has the ones that must never be without a test. */
#include "msg_test.h"

#include <stdio.h>
#include <stdlib.h>

/* `status` is msg_check's: 0 for a message that goes on to the upper floors (501, 420, 483 … are theirs). */
static const struct row {
	const char  *file;
	uint16_t     status;
	enum msg_bad bad;
} rows[] = {
	{ "rfc4475/wsinv.dat", 0, BAD_NONE },		/* 3.1.1.1 */
	{ "rfc4475/intmeth.dat", 0, BAD_NONE },
	{ "rfc4475/esc01.dat", 0, BAD_NONE },
	{ "rfc4475/escnull.dat", 0, BAD_NONE },
	{ "rfc4475/esc02.dat", 0, BAD_NONE },
	{ "rfc4475/lwsdisp.dat", 0, BAD_NONE },
	{ "rfc4475/longreq.dat", 0, BAD_NONE },
	{ "rfc4475/dblreq.dat", 0, BAD_NONE },
	{ "rfc4475/semiuri.dat", 0, BAD_NONE },
	{ "rfc4475/transports.dat", 0, BAD_NONE },
	{ "rfc4475/mpart01.dat", 0, BAD_NONE },
	{ "rfc4475/unreason.dat", 0, BAD_NONE },
	{ "rfc4475/noreason.dat", 0, BAD_NONE },
	{ "rfc4475/badinv01.dat", 400, BAD_VIA },	/* 3.1.2.1 */
	{ "rfc4475/clerr.dat", 400, BAD_TRUNCATED },
	{ "rfc4475/ncl.dat", 400, BAD_CONTENT_LENGTH },
	{ "rfc4475/scalar02.dat", 400, BAD_CSEQ },
	{ "rfc4475/scalarlg.dat", 400, BAD_CSEQ },	/* a response: dropped */
	{ "rfc4475/quotbal.dat", 400, BAD_TO },
	{ "rfc4475/ltgtruri.dat", 400, BAD_RURI },
	{ "rfc4475/lwsruri.dat", 400, BAD_FIRST_LINE },
	{ "rfc4475/lwsstart.dat", 400, BAD_FIRST_LINE },
	{ "rfc4475/trws.dat", 400, BAD_FIRST_LINE },
	{ "rfc4475/escruri.dat", 400, BAD_RURI },
	{ "rfc4475/baddate.dat", 0, BAD_NONE },
	{ "rfc4475/regbadct.dat", 400, BAD_CONTACT },
	{ "rfc4475/badaspec.dat", 400, BAD_TO },
	{ "rfc4475/baddn.dat", 400, BAD_TRUNCATED },	/* the archive has no empty line here */
	{ "rfc4475/badvers.dat", 505, BAD_VERSION },
	{ "rfc4475/mismatch01.dat", 400, BAD_CSEQ_METHOD },
	{ "rfc4475/mismatch02.dat", 501, BAD_CSEQ_METHOD },
	{ "rfc4475/bigcode.dat", 400, BAD_STATUS },	/* a response: dropped */
	{ "rfc4475/badbranch.dat", 400, BAD_BRANCH },	/* 3.2.1 */
	{ "rfc4475/insuf.dat", 400, BAD_MISSING },	/* 3.3.1 */
	{ "rfc4475/unkscm.dat", 416, BAD_RURI_SCHEME },
	{ "rfc4475/novelsc.dat", 416, BAD_RURI_SCHEME },
	{ "rfc4475/unksm2.dat", 0, BAD_NONE },
	{ "rfc4475/bext01.dat", 0, BAD_NONE },
	{ "rfc4475/invut.dat", 0, BAD_NONE },
	{ "rfc4475/regaut01.dat", 0, BAD_NONE },
	{ "rfc4475/multi01.dat", 400, BAD_DUPLICATE },
	{ "rfc4475/mcl01.dat", 400, BAD_CONTENT_LENGTH },
	{ "rfc4475/bcast.dat", 0, BAD_NONE },
	{ "rfc4475/zeromf.dat", 0, BAD_NONE },
	{ "rfc4475/cparam01.dat", 0, BAD_NONE },
	{ "rfc4475/cparam02.dat", 0, BAD_NONE },
	{ "rfc4475/regescrt.dat", 0, BAD_NONE },
	{ "rfc4475/sdp01.dat", 0, BAD_NONE },
	{ "rfc4475/inv2543.dat", 0, BAD_NONE },		/* 3.4.1 */
	{ "rfc5118/ipv6-good.dat", 0, BAD_NONE },	/* 4.1 */
	{ "rfc5118/ipv6-bad.dat", 400, BAD_RURI },
	{ "rfc5118/port-ambiguous.dat", 0, BAD_NONE },
	{ "rfc5118/port-unambiguous.dat", 0, BAD_NONE },
	{ "rfc5118/via-received-param-with-delim.dat", 0, BAD_NONE },
	{ "rfc5118/via-received-param-no-delim.dat", 0, BAD_NONE },
	{ "rfc5118/ipv6-in-sdp.dat", 0, BAD_NONE },
	{ "rfc5118/mult-ip-in-header.dat", 0, BAD_NONE },
	{ "rfc5118/mult-ip-in-sdp.dat", 0, BAD_NONE },
	{ "rfc5118/ipv4-mapped-ipv6.dat", 0, BAD_NONE },
	{ "rfc5118/ipv6-bug-abnf-3-colons.dat", 0, BAD_NONE },	/* 4.10 */
	{ "rfc5118/ipv6-correct-abnf-2-colons.dat", 0, BAD_NONE },
};

static char bytes[66000];

static bool corpus_read(const char *file, struct str *out)
{
	const char *shared = getenv("SIPARIO_SHARED");
	char        path[1024];
	FILE       *f;

	snprintf(path, sizeof(path), "%s/corpus/%s", shared ? shared : "../shared", file);
	f = fopen(path, "rb");
	if (!f)
		return false;
	*out = str_n(bytes, fread(bytes, 1, sizeof(bytes), f));
	fclose(f);
	return true;
}

static bool corpus_absent(void)
{
	struct str in;

	if (corpus_read(rows[0].file, &in))
		return false;
	print_message("no corpus below SIPARIO_SHARED: passed over\n");
	return true;
}

TEST(torture_messages_are_judged_as_their_index_says)
{
	static struct msg_case t;

	if (corpus_absent())
		skip();
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct str in;
		uint16_t   status;

		CHECK_ROW(corpus_read(rows[i].file, &in), rows[i].file);
		case_begin(&t, in);
		status = msg_check(&t.m);
		if (status != rows[i].status || t.m.bad != rows[i].bad)
			print_error("%u %s\n", status, msg_bad_name(t.m.bad));
		CHECK_ROW(status == rows[i].status && t.m.bad == rows[i].bad, rows[i].file);
		case_end(&t);
	}
}

TEST(torture_messages_are_written_as_they_came)
{
	static struct msg_case t;

	if (corpus_absent())
		skip();
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct str in;

		CHECK_ROW(corpus_read(rows[i].file, &in), rows[i].file);
		case_begin(&t, in);
		if (!t.err && t.m.first[H_CONTENT_LENGTH])
			CHECK_ROW(str_eq(case_text(&t), t.m.raw), rows[i].file);
		case_end(&t);
	}
}

static void read_torture(struct msg_case *t, const char *file)
{
	struct str in = STR("");

	CHECK_ROW(corpus_read(file, &in), file);
	case_begin(t, in);
	CHECK_ROW(msg_check(&t->m) == 0, file);
}

static size_t count_values(struct msg *m, enum hdr_type type)
{
	struct msg_values it = msg_values(m, type);
	struct str        value;
	size_t            n = 0;

	while (msg_values_next(&it, &value))
		n++;
	return n;
}

TEST(torture_messages_are_read_right)
{
	static struct msg_case t;
	uint32_t               n;

	if (corpus_absent())
		skip();
	read_torture(&t, "rfc4475/wsinv.dat");
	CHECK_STR(msg_to_tag(&t.m), "1918181833n");
	CHECK_STR(msg_from_tag(&t.m), "98asjd8");
	CHECK(msg_number(&t.m, H_MAX_FORWARDS, &n) == OK && n == 68);
	CHECK_STR(msg_via1(&t.m)->host, "192.0.2.2");
	CHECK(count_values(&t.m, H_VIA) == 3 && count_values(&t.m, H_ROUTE) == 1);
	CHECK(msg_cseq(&t.m)->num == 9 && t.m.body.len == 150);
	case_end(&t);

	read_torture(&t, "rfc4475/longreq.dat");
	CHECK_INT(count_values(&t.m, H_VIA), 34);
	case_end(&t);

	read_torture(&t, "rfc4475/dblreq.dat");
	CHECK(t.m.body.len == 0 && t.m.method == M_REGISTER && str_ends(t.m.raw, STR("Content-Length: 0\r\n\r\n")));
	case_end(&t);

	read_torture(&t, "rfc4475/intmeth.dat");
	CHECK(t.m.method == M_OTHER && str_starts(msg_to(&t.m)->display, str_n("BEL:\\\a NUL:\\\0 DEL", 17)));
	CHECK_STR(msg_ruri(&t.m)->host, "example.com");
	case_end(&t);

	read_torture(&t, "rfc4475/semiuri.dat");
	CHECK_STR(msg_ruri(&t.m)->user, "user;par=u%40example.net");
	case_end(&t);

	read_torture(&t, "rfc5118/port-ambiguous.dat");
	CHECK(msg_ruri(&t.m)->port == 0);
	CHECK_STR(msg_ruri(&t.m)->host, "2001:db8::10:5070");
	case_end(&t);

	read_torture(&t, "rfc5118/via-received-param-with-delim.dat");
	CHECK_STR(msg_via1(&t.m)->received, "2001:db8::9:255");
	case_end(&t);
}

/* 49 messages of RFC 4475, 12 of RFC 5118: none may be forgotten, whether the folder is there or not. */
TEST(every_torture_message_has_its_row)
{
	CHECK_INT(COUNT_OF(rows), 49 + 12);
}
