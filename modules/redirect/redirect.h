#pragma once
/* Private to this folder: a redirect server (RFC 3261 §8.3). */
#include "module/module.h"

extern struct counter redirect_sent, redirect_empty;

/* Contact fields of a 302: the target set with its q and lifetimes; empty when there is none, .p NULL: no memory. */
struct str contacts_of(struct arena *a, const struct target *list);
enum verdict fn_redirect(struct call *c);
