#pragma once
/* Cutting messages from a stream (RFC 3261 §18.3): the header ends at the empty line, the body has
 * Content-Length bytes. */
#include "base/str.h"

enum frame_kind { FRAME_MESSAGE, FRAME_PING, FRAME_PONG };

struct frame {
	enum frame_kind kind;	/* PING is CRLFCRLF, PONG a lone CRLF (RFC 5626 §3.5.1, §4.4.1) */
	size_t          skip;	/* leading CRLFs before the message */
	size_t          len;	/* bytes to take in all, skip included */
};
/* State kept between calls so that a slow sender costs linear time; zero it for a new message. */
struct frame_scan {
	size_t scanned;
	size_t header_len;	/* 0: the empty line was not seen yet */
	size_t body_len;
};
/* Look at what a connection has received so far. OK with *out; ERR_AGAIN: more bytes are needed; ERR_SYNTAX:
 * no or a bad Content-Length, framing is lost; ERR_LIMIT: the message would be over max_bytes. Call it with the
 * same start of `in` until it is OK, then drop out->len bytes and zero *scan. A lone CRLF is reported only when
 * more follows it that cannot be part of a PING; `at_rest` says the sender has paused (then it is a PONG). */
MUST_CHECK enum err frame_next(struct str in, size_t max_bytes, bool at_rest, struct frame_scan *scan, struct frame *out);
