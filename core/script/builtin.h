#pragma once
/* The core's own functions and variables: module zero. A file a family; builtin.c holds the table of them all. */
#include "script/run.h"

extern const struct mod_func core_funcs[];
extern const struct mod_var core_vars[];
extern const struct shape answer_shape, sdp_shape;

/* The result of a function. */
static inline enum verdict give(struct call *c, struct value v)
{
	c->result = v;
	return V_OK;
}
/* A text in the arena; V_ERROR when it is not there (.p NULL: no memory). */
enum verdict give_text(struct call *c, struct str s);
/* Text of an optional argument. */
struct str text_or_none(const struct value *v);
MUST_CHECK enum err make_list(struct arena *a, const struct value *v, size_t n, struct value *out);
/* No line end and no NUL: it cannot begin a header field that nobody meant. */
bool one_line(struct str s);
/* What a handler of F_KEYS was given. */
size_t       keys_count(const struct call *c, size_t declared);
struct str   key_name(const struct call *c, size_t declared, size_t i);
struct value key_value(const struct call *c, size_t declared, size_t i);

/* builtin.c */
/* "warn", "L_WARN". */
bool level_of(struct str s, enum log_level *out);
enum verdict fn_xlog(struct call *c);
enum verdict fn_sleep(struct call *c);
/* builtin_relay.c */
enum verdict fn_relay(struct call *c);
enum verdict fn_forward(struct call *c);
enum verdict fn_add_branch(struct call *c);
enum verdict fn_add_path(struct call *c);
/* builtin_header.c */
enum verdict fn_append_hf(struct call *c);
enum verdict fn_insert_hf(struct call *c);
enum verdict fn_remove_hf(struct call *c);
enum verdict fn_is_present_hf(struct call *c);
enum verdict set_hdr(struct call *c, struct str name, const struct value *v);
/* A field that a message must have once, as the core has it: a script cannot add, change or remove it. */
bool header_is_kept(struct str name);
/* Is that a run of complete fields, "Name: value\r\n" each, with nothing that would start another one? */
bool headers_ok(struct str text);
/* builtin_vars.c: lower case, as in a URI's transport parameter */
struct str proto_name(enum transport t);
/* builtin_body.c */
enum verdict fn_has_body(struct call *c);
enum verdict get_body(struct call *c, struct str arg, struct value *out);
enum verdict set_body(struct call *c, struct str arg, const struct value *v);
enum verdict get_sdp(struct call *c, struct str arg, struct value *out);
/* builtin_uri.c: strip and prefix work on the user of a uri, and on the whole of a text */
struct uri;
/* The URI of these parts, in the arena; .p NULL on no memory. */
MUST_CHECK struct str uri_spell(struct arena *a, const struct uri *u);
enum verdict fn_strip(struct call *c);
enum verdict fn_strip_tail(struct call *c);
enum verdict fn_prefix(struct call *c);
enum verdict fn_e164(struct call *c);
enum verdict fn_param(struct call *c);
enum verdict fn_with(struct call *c);
enum verdict fn_part(struct call *c);
extern const char *const uri_part_names[];
bool uri_ok(struct str text, char *why, size_t cap);	/* struct mod_arg, literal */
enum verdict fn_uri(struct call *c);
/* builtin_text.c */
enum verdict fn_lower(struct call *c);
enum verdict fn_upper(struct call *c);
enum verdict fn_trim(struct call *c);
enum verdict fn_length(struct call *c);
enum verdict fn_starts(struct call *c);
enum verdict fn_ends(struct call *c);
enum verdict fn_substr(struct call *c);
enum verdict fn_split(struct call *c);
enum verdict fn_int(struct call *c);
enum verdict fn_ip(struct call *c);
enum verdict fn_match(struct call *c);
enum verdict fn_find(struct call *c);
enum verdict fn_replace(struct call *c);
enum verdict fn_subst(struct call *c);
/* builtin_list.c */
enum verdict fn_count_items(struct call *c);
enum verdict fn_first(struct call *c);
enum verdict fn_last(struct call *c);
enum verdict fn_slice(struct call *c);
enum verdict fn_append(struct call *c);
enum verdict fn_reverse(struct call *c);
enum verdict fn_sort(struct call *c);
enum verdict fn_unique(struct call *c);
enum verdict fn_shuffle(struct call *c);
enum verdict fn_join(struct call *c);
enum verdict fn_min(struct call *c);
enum verdict fn_max(struct call *c);
enum verdict fn_abs(struct call *c);
enum verdict fn_random(struct call *c);
/* builtin_code.c */
enum verdict fn_md5(struct call *c);
enum verdict fn_sha256(struct call *c);
enum verdict fn_sha1(struct call *c);
enum verdict fn_sha512(struct call *c);
enum verdict fn_hmac(struct call *c);
extern const char *const digest_names[];
enum verdict fn_hash(struct call *c);
enum verdict fn_base64_encode(struct call *c);
enum verdict fn_base64_decode(struct call *c);
enum verdict fn_hex_encode(struct call *c);
enum verdict fn_hex_decode(struct call *c);
enum verdict fn_url_encode(struct call *c);
enum verdict fn_url_decode(struct call *c);
/* builtin_json.c */
enum verdict fn_record(struct call *c);
enum verdict fn_json_read(struct call *c);
enum verdict fn_json_write(struct call *c);
/* builtin_time.c */
enum verdict fn_now(struct call *c);
enum verdict fn_weekday(struct call *c);
enum verdict fn_date(struct call *c);
enum verdict fn_time_in(struct call *c);
bool time_range_ok(struct str text, char *why, size_t cap);
bool zone_ok(struct str text, char *why, size_t cap);
/* builtin_source.c */
enum verdict fn_is_local(struct call *c);
enum verdict fn_nat_uac_test(struct call *c);
/* builtin_count.c */
enum verdict fn_count(struct call *c);
enum verdict fn_counter(struct call *c);
/* Make the counters that the program names, or find them: in each process, before it is used. `why` is a sentence. */
MUST_CHECK enum err counters_make(const struct program *p, char *why, size_t cap);
/* Those of that program, and no others, are among the counters. */
void counters_show(const struct program *p);
