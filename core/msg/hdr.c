/* Names of methods and header fields. */
#include "msg/internal.h"

static const struct str methods[M_COUNT] = {
	[M_INVITE] = STR("INVITE"), [M_ACK] = STR("ACK"), [M_CANCEL] = STR("CANCEL"), [M_BYE] = STR("BYE"),
	[M_REGISTER] = STR("REGISTER"), [M_OPTIONS] = STR("OPTIONS"), [M_MESSAGE] = STR("MESSAGE"),
	[M_INFO] = STR("INFO"), [M_PRACK] = STR("PRACK"), [M_UPDATE] = STR("UPDATE"),
	[M_SUBSCRIBE] = STR("SUBSCRIBE"), [M_NOTIFY] = STR("NOTIFY"), [M_REFER] = STR("REFER"),
	[M_PUBLISH] = STR("PUBLISH"),
};

enum method method_of(struct str name)
{
	for (unsigned m = M_OTHER + 1; m < M_COUNT; m++)
		if (methods[m].len == name.len && methods[m].p[0] == name.p[0] && str_eq(methods[m], name))
			return (enum method)m;
	return M_OTHER;
}

struct str method_name(enum method m)
{
	return m > M_OTHER && m < M_COUNT ? methods[m] : STR("");
}

static const struct str names[H_COUNT] = {
	[H_VIA] = STR("Via"), [H_FROM] = STR("From"), [H_TO] = STR("To"), [H_CALL_ID] = STR("Call-ID"),
	[H_CSEQ] = STR("CSeq"), [H_CONTACT] = STR("Contact"), [H_MAX_FORWARDS] = STR("Max-Forwards"),
	[H_ROUTE] = STR("Route"), [H_RECORD_ROUTE] = STR("Record-Route"), [H_EXPIRES] = STR("Expires"),
	[H_MIN_EXPIRES] = STR("Min-Expires"), [H_CONTENT_LENGTH] = STR("Content-Length"),
	[H_CONTENT_TYPE] = STR("Content-Type"), [H_CONTENT_ENCODING] = STR("Content-Encoding"),
	[H_CONTENT_DISPOSITION] = STR("Content-Disposition"), [H_AUTHORIZATION] = STR("Authorization"),
	[H_PROXY_AUTHORIZATION] = STR("Proxy-Authorization"), [H_WWW_AUTHENTICATE] = STR("WWW-Authenticate"),
	[H_PROXY_AUTHENTICATE] = STR("Proxy-Authenticate"), [H_REQUIRE] = STR("Require"),
	[H_PROXY_REQUIRE] = STR("Proxy-Require"), [H_SUPPORTED] = STR("Supported"),
	[H_UNSUPPORTED] = STR("Unsupported"), [H_ALLOW] = STR("Allow"), [H_ACCEPT] = STR("Accept"),
	[H_USER_AGENT] = STR("User-Agent"), [H_SERVER] = STR("Server"), [H_DATE] = STR("Date"),
	[H_PATH] = STR("Path"), [H_SERVICE_ROUTE] = STR("Service-Route"), [H_RETRY_AFTER] = STR("Retry-After"),
	[H_REASON] = STR("Reason"), [H_WARNING] = STR("Warning"), [H_EVENT] = STR("Event"),
	[H_SUBJECT] = STR("Subject"), [H_IDENTITY] = STR("Identity"), [H_PRIVACY] = STR("Privacy"),
	[H_P_ASSERTED_IDENTITY] = STR("P-Asserted-Identity"), [H_MAX_BREADTH] = STR("Max-Breadth"),
};

/* Candidates by length of the name; the name itself decides. */
enum { MOST_ALIKE = 8, LONGEST_NAME = 19 };
static const uint8_t by_length[LONGEST_NAME + 1][MOST_ALIKE] = {
	[2] = { H_TO },
	[3] = { H_VIA },
	[4] = { H_FROM, H_CSEQ, H_PATH, H_DATE },
	[5] = { H_ROUTE, H_ALLOW, H_EVENT },
	[6] = { H_ACCEPT, H_SERVER, H_REASON },
	[7] = { H_CALL_ID, H_CONTACT, H_EXPIRES, H_REQUIRE, H_SUBJECT, H_WARNING, H_PRIVACY },
	[8] = { H_IDENTITY },
	[9] = { H_SUPPORTED },
	[10] = { H_USER_AGENT },
	[11] = { H_MIN_EXPIRES, H_UNSUPPORTED, H_RETRY_AFTER, H_MAX_BREADTH },
	[12] = { H_MAX_FORWARDS, H_RECORD_ROUTE, H_CONTENT_TYPE },
	[13] = { H_AUTHORIZATION, H_PROXY_REQUIRE, H_SERVICE_ROUTE },
	[14] = { H_CONTENT_LENGTH },
	[16] = { H_WWW_AUTHENTICATE, H_CONTENT_ENCODING },
	[18] = { H_PROXY_AUTHENTICATE },
	[19] = { H_PROXY_AUTHORIZATION, H_CONTENT_DISPOSITION, H_P_ASSERTED_IDENTITY },
};

/* RFC 3261 §7.3.3 and the RFCs of the single fields (3265 o, 4474 y). */
static enum hdr_type compact_type(char c)
{
	switch (ch_lower(c)) {
	case 'v': return H_VIA;
	case 'f': return H_FROM;
	case 't': return H_TO;
	case 'i': return H_CALL_ID;
	case 'm': return H_CONTACT;
	case 'l': return H_CONTENT_LENGTH;
	case 'c': return H_CONTENT_TYPE;
	case 'e': return H_CONTENT_ENCODING;
	case 'k': return H_SUPPORTED;
	case 's': return H_SUBJECT;
	case 'o': return H_EVENT;
	case 'y': return H_IDENTITY;
	default: return H_OTHER;
	}
}

enum hdr_type hdr_type_of(struct str name)
{
	const uint8_t *t;

	if (name.len == 1)
		return compact_type(name.p[0]);
	if (!name.len || name.len > LONGEST_NAME)
		return H_OTHER;
	for (t = by_length[name.len]; t < by_length[name.len] + MOST_ALIKE && *t; t++)
		if (ch_lower(names[*t].p[0]) == ch_lower(name.p[0]) && (str_eq(names[*t], name) || str_ieq(names[*t], name)))
			return (enum hdr_type)*t;	/* nearly everybody writes them as the RFCs do */
	return H_OTHER;
}

struct str hdr_type_name(enum hdr_type t)
{
	return t > H_OTHER && t < H_COUNT ? names[t] : STR("");
}

/* Compact forms of fields that have no type of their own (RFC 3515, 3892, 4028, 6665, 3841, 4474). */
static struct str long_name(struct str name)
{
	if (name.len != 1)
		return name;
	switch (ch_lower(name.p[0])) {
	case 'r': return STR("Refer-To");
	case 'b': return STR("Referred-By");
	case 'x': return STR("Session-Expires");
	case 'u': return STR("Allow-Events");
	case 'a': return STR("Accept-Contact");
	case 'j': return STR("Reject-Contact");
	case 'd': return STR("Request-Disposition");
	case 'n': return STR("Identity-Info");
	default: return name;
	}
}

bool hdr_name_eq(struct str a, struct str b)
{
	return str_ieq(long_name(a), long_name(b));
}
