#pragma once
/* Values as bytes, for where they outlive the run that made them: another worker, or another program, makes values of them again. */
#include "module/value.h"

enum { PACK_DEPTH = 16 };	/* lists and records within each other */

/* False: it cannot be kept (a regular expression, or nested too deep). Whether there was room says buf_ok(). */
MUST_CHECK bool pack(struct buf *out, const struct value *v);
void pack_text(struct buf *out, struct str s);
/* The next one. Texts stay where they are, in `rest`; the others lie in the arena. Records have a shape of their own, with the fields they had. False: no
 * memory, or these are no such bytes. */
MUST_CHECK bool unpack(struct arena *a, struct str *rest, struct value *out);
MUST_CHECK bool unpack_text(struct str *rest, struct str *out);
