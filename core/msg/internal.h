#pragma once
/* Private to core/msg. */
#include "msg/msg.h"
#include "msg/scan.h"

/* The same unknown name, a compact form counting as its long one. */
bool hdr_name_eq(struct str a, struct str b);

/* The typed bodies, parsed once and remembered: OK, ERR_NOT_FOUND, ERR_SYNTAX or ERR_NOMEM. */
MUST_CHECK enum err msg_read_ruri(struct msg *m, const struct uri **out);
MUST_CHECK enum err msg_read_via1(struct msg *m, const struct via **out);
MUST_CHECK enum err msg_read_addr(struct msg *m, enum hdr_type t, const struct name_addr **out);
MUST_CHECK enum err msg_read_cseq(struct msg *m, const struct cseq **out);

/* May this stand in a header field: no line end but in a fold, no NUL but as a quoted pair? */
bool field_body_ok(struct str body);

/* Put h into the list behind `prev` (NULL: in front of all), and among those of its type. */
void hdr_link(struct msg *m, struct hdr *prev, struct hdr *h);
/* Copy a field as it is to be sent: as received, or "Name: body". */
void hdr_write(const struct hdr *h, struct buf *out);
