#pragma once
/* `doctor`: what a check has found. */
#include "ctl/ctl.h"

enum health { HEALTH_GOOD, HEALTH_WARN, HEALTH_FAIL };
struct doctor {
	struct ctl *c;
	bool        configured;		/* a configuration was read: `settings` holds it */
	unsigned    count[3];
};
/* A line: what was looked at, what it is like. `remedy` is for warn and fail; NULL: none. */
void doctor_note(struct doctor *d, enum health health, const char *check, const char *remedy, const char *fmt, ...) PRINTF(5, 6);

/* doctor_dns.c: does the DNS lead to this host? */
void doctor_dns(struct doctor *d, struct str domain);
/* doctor_db.c: its answer time, schema, rights, certificates and files. Domains of the database are looked up as well. */
void doctor_database(struct doctor *d);
/* doctor_host.c: clock, open files, socket buffers, permissions, the running server. */
void doctor_host(struct doctor *d);
