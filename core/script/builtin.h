#pragma once
/* The core's own functions and variables: module zero. */
#include "script/run.h"

extern const struct mod_func core_funcs[];
extern const struct mod_var core_vars[];
extern const struct shape answer_shape;

/* builtin_relay.c */
enum verdict fn_relay(struct call *c);
enum verdict fn_forward(struct call *c);
/* builtin_header.c */
enum verdict fn_append_hf(struct call *c);
enum verdict fn_remove_hf(struct call *c);
enum verdict fn_is_present_hf(struct call *c);
/* Is that a run of complete fields, "Name: value\r\n" each, with nothing that would start another one? */
bool headers_ok(struct str text);
