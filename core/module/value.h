#pragma once
/* Values of the routing language. Message lifetime (the run's arena), or boot (constants). Passed by value, never changed in place. */
#include "base/arena.h"
#include "net/addr.h"

enum vtype {
	T_NULL, T_BOOL, T_INT, T_STR, T_DURATION, T_SIZE, T_IP, T_CIDR, T_URI, T_REGEX, T_LIST, T_RECORD,
	T_ANY,		/* declarations only: any of them */
	T_COUNT
};
struct value {
	enum vtype type;
	uint8_t    prefix;	/* T_CIDR */
	union {
		bool                 b;
		int64_t              i;		/* T_INT; T_DURATION in ms; T_SIZE in bytes */
		struct str           s;		/* T_STR; T_URI as text */
		const struct addr   *ip;	/* T_IP, T_CIDR; port 0 */
		void                *regex;	/* compiled, boot lifetime; core/script/regex.c */
		const struct list_value *list;
		const struct record *rec;
	} u;
};
struct list_value {
	size_t              count;
	const struct value *v;
};
/* The fields a record type has, declared once: the checker knows them. */
struct field {
	const char *name;
	enum vtype  type;
	bool        nullable;
	const char *help;
};
struct shape {
	const char         *name;	/* "answer", "profile" */
	const struct field *fields;	/* ends with a NULL name */
	bool                open;	/* made at run time (JSON): a field it does not have is null */
};
struct record {
	const struct shape *shape;
	const struct value *v;		/* in the order of the fields */
};

#define V_NULL ((struct value){ .type = T_NULL })
static inline struct value value_bool(bool b) { return (struct value){ .type = T_BOOL, .u.b = b }; }
static inline struct value value_int(int64_t i) { return (struct value){ .type = T_INT, .u.i = i }; }
static inline struct value value_str(struct str s) { return (struct value){ .type = T_STR, .u.s = s }; }
static inline struct value value_ms(int64_t ms) { return (struct value){ .type = T_DURATION, .u.i = ms }; }
static inline struct value value_record(const struct record *r) { return (struct value){ .type = T_RECORD, .u.rec = r }; }

const char *vtype_name(enum vtype t);		/* "string", "duration" … as in error messages */
/* "30s", "1h30m", "250ms" -> ms; "16kB", "1GB" -> bytes (k = 1024). ERR_SYNTAX, ERR_LIMIT (does not fit). */
MUST_CHECK enum err duration_parse(struct str s, int64_t *ms);
MUST_CHECK enum err size_parse(struct str s, int64_t *bytes);
/* The same way back, in the largest units: "1h30m", "16kB". */
void duration_write(int64_t ms, struct buf *out);
void size_write(int64_t bytes, struct buf *out);
/* "10.0.0.0/8", "2001:db8::/32", a single address. */
MUST_CHECK enum err cidr_parse(struct str s, struct addr *net, uint8_t *prefix);
bool cidr_contains(const struct addr *net, uint8_t prefix, const struct addr *ip);
/* The other way: a value of that type, as people and databases write it; a text stays where it is, T_ANY is an int where it is one. False: it is none, or no
 * memory. */
MUST_CHECK bool value_parse(struct arena *a, enum vtype t, struct str text, struct value *out);
/* As text, for interpolation and logs ("null", "[a, b]"); .p NULL on no memory. */
MUST_CHECK struct str value_text(struct arena *a, const struct value *v);
/* All of it in that arena. `out` may be v. ERR_NOMEM. */
MUST_CHECK enum err value_copy(struct arena *a, const struct value *v, struct value *out);
/* Same type and content; a uri equals the string that spells it. */
bool value_eq(const struct value *a, const struct value *b);
