#pragma once
/* What is within a body: the parts of a multipart one (RFC 2046 §5.1, RFC 5621), and what a session description says (RFC 8866). All texts are slices of the
 * body; nothing is copied. Lengths that a part states of itself mean nothing: its boundary ends it. */
#include "base/str.h"

/* The first part of that media type, or the body itself, by its Content-Type ("multipart/mixed;boundary=x"). Multipart bodies within each other are
 * looked into, a few levels deep. .p NULL: there is none. */
struct str body_find(struct str content_type, struct str body, const char *media_type);

/* The first medium of a session description. */
struct sdp {
	struct str ip, media_ip;	/* connection address of the session; of the medium; empty: none */
	struct str media;		/* "audio" */
	struct str formats;		/* "0 8 101" */
	struct str lines;		/* what is said about it */
	uint32_t   port;
	bool       has_media;
};
void sdp_read(struct str body, struct sdp *out);
/* The first of a list of formats, taken off it; empty: none left. */
struct str sdp_format_take(struct str *formats);
/* Its name by rtpmap or RFC 3551, else as it is. */
struct str sdp_codec(const struct sdp *s, struct str format);
