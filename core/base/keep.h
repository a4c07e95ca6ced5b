#pragma once
/* Texts that live as long as the process: values of settings and parameters, which a reload may replace while somebody still reads the old one.
 * Each is kept once, so that reloading the same values takes no more memory. Not for threads. */
#include "base/str.h"

/* The kept copy, NUL-terminated; the same text gives the same address. .p NULL on no memory. */
MUST_CHECK struct str text_keep(struct str s);
