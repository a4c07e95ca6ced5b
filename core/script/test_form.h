#pragma once
/* What test blocks are made of. One table: the parser, the checker and the runner read it, doc/testing.md says the same in prose. */
#include "script/ast.h"

enum attr_kind {
	ATTR_TEXT, ATTR_URI, ATTR_DURATION,
	ATTR_SECONDS,	/* a duration, kept as whole seconds */
	ATTR_ADDRESS,	/* 192.0.2.1, "192.0.2.1:5070", or the name of a party */
	ATTR_PARTY, ATTR_METHOD,
	ATTR_CHOICE,	/* one of `choices` */
	ATTR_HEADER,	/* "Name: value", "Name", or "Name" compared with something */
};
struct attr_form {
	const char        *name;
	uint32_t           steps;	/* 1 << enum step_kind */
	enum attr_kind     kind;
	bool               compares;	/* == != =~ !~ may stand before its value */
	const char *const *choices;	/* NULL-ended */
};
extern const struct attr_form attr_forms[];	/* ends with a NULL name */
/* The one of that name for such a step, else one of that name, else NULL. */
const struct attr_form *attr_form(struct str name, enum step_kind kind);
/* "send", "expect reply", "given user" … */
const char *step_words(enum step_kind kind);

/* Of a step: the first attribute of that name, NULL: none. */
const struct test_attr *test_attr(const struct test_step *s, const char *name);

/* "2026-03-02 08:30" or "2026-03-02 08:30:15", UTC: seconds since 1970. */
MUST_CHECK enum err test_time_parse(struct str text, int64_t *out);
/* "192.0.2.1", "192.0.2.1:5070", "[2001:db8::1]:5070"; the port is 5060 where there is none. */
MUST_CHECK enum err test_address_parse(struct str text, struct addr *out);
/* The party everything is sent by where nothing else is said, at TEST_ADDRESS. */
#define TEST_PARTY "tester"
#define TEST_ADDRESS "192.0.2.1"
