#pragma once
/* The processes of a server: a supervisor that never touches a message, workers, the writer, the control process.
 *
 * The supervisor follows no pointer into shared memory. A child that ends is forked anew at once (with backoff when that repeats). If
 * it died inside a critical section, of a memory fault or by an exit of its own, what it left cannot be trusted: all children are
 * ended, shared memory is rebuilt and bindings come back from the store. Sockets live in the supervisor and outlast all of it. */
#include "base/err.h"
#include "base/str.h"
#include "net/loop.h"

struct process_plan {
	unsigned    workers;
	bool        writer;	/* there is a database */
	const char *control;	/* path of the control socket; NULL: no control process */
	/* Everything that lives in shared memory, built before the first fork and again after a rebuild. `why`: a sentence. */
	enum err (*build_shared)(char *why, size_t cap);
};
/* Slots: 0 is the supervisor, then the workers, the writer, control. */
unsigned process_slots(const struct process_plan *p);
unsigned process_writer_slot(const struct process_plan *p);
unsigned process_control_slot(const struct process_plan *p);	/* 0: none */

/* Fork all and watch over them until SIGTERM or SIGINT (SIGHUP: reload); build_shared() has been called once. Returns the exit status. */
int supervisor_run(const struct process_plan *p);
/* Become that user and group for good (each may be NULL). On error `why` is a sentence with the remedy. */
MUST_CHECK enum err privileges_drop(const char *user, const char *group, char *why, size_t cap);
/* Give the proxy its secret: the setting's (may be empty), or that of the database, or one of this machine. Supervisor, once the database has
 * been checked. On error `why` is a sentence with the remedy. */
MUST_CHECK enum err secret_set(struct str setting, char *why, size_t cap);
/* In a worker: asks for the one that the database has, if that was away at the start. */
void secret_worker_start(struct loop *l);
/* Install handlers that write a backtrace to stderr before a memory fault ends this process. */
void crash_handlers(void);

/* Bodies of the children; they return the exit status: 0, or CANNOT_START when a part of it did not and no message was touched. */
enum { CANNOT_START = 96 };
int worker_run(unsigned slot);
int writer_run(void);
int control_run(const struct process_plan *p);
