#include "script/sim.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/random.h"
#include "module/module.h"
#include "net/dns.h"
#include "net/mailbox.h"
#include "net/trail.h"
#include "shm/shm.h"

enum {
	REGION_BYTES = 256 << 20, SLOTS = 2, OUR_SLOT = 1, BUCKETS = 1024, MOST_NAMES = 64, MOST_REFUSED = 32, START_MS = 1000000,
	QUIET_TURNS = 4,	/* a letter to the writer, its commit, the answer */
	STORE_TURNS = 10000,	/* of a millisecond each: a store's thread that says nothing for so long is stuck */
	PATH_ROOM = 128, TRAIL_BYTES = 2 << 20,
};
#define START_UNIX INT64_C(1767225600)	/* 2026-01-01 */

struct name {
	char host[128], ip[64];
};
static struct {
	uint64_t               ms;		/* of the virtual clock */
	int64_t                start_us;	/* wall clock of the beginning */
	struct loop           *loop;
	const struct listener *udp[2], *tcp[2];	/* of IPv4, of IPv6 */
	struct sim_message    *first, **last;
	unsigned               sent;		/* counts, to see that a turn did something */
	struct name            names[MOST_NAMES];
	unsigned               name_count;
	struct addr            refused[MOST_REFUSED];
	unsigned               refused_count;
	struct flow            failed[MOST_REFUSED];	/* to be told as unreachable in the next turn */
	unsigned               failed_count;
	char                   folder[64];	/* of the database; empty: none */
} sim;

static uint64_t virtual_ms(void)
{
	return sim.ms;
}

static int64_t virtual_us(void)
{
	return sim.start_us + (int64_t)(sim.ms - START_MS) * 1000;
}

static bool is_refused(const struct addr *peer)
{
	for (unsigned i = 0; i < sim.refused_count; i++)
		if (addr_eq(&sim.refused[i], peer))
			return true;
	return false;
}

static void sent(const struct flow *to, struct str bytes)
{
	struct sim_message *m = malloc(sizeof(*m) + bytes.len);

	if (!m)
		return;		/* as lost on the way */
	memcpy(m + 1, bytes.p, bytes.len);
	*m = (struct sim_message){ .to = *to, .bytes = str_n((const char *)(m + 1), bytes.len) };
	*sim.last = m;
	sim.last = &m->next;
	sim.sent++;
	if (is_refused(&to->peer) && sim.failed_count < MOST_REFUSED)
		sim.failed[sim.failed_count++] = *to;
}

void sim_refuse(const struct addr *peer, bool refuse)
{
	unsigned n = 0;

	for (unsigned i = 0; i < sim.refused_count; i++)
		if (!addr_eq(&sim.refused[i], peer))
			sim.refused[n++] = sim.refused[i];
	if (refuse && n < MOST_REFUSED)
		sim.refused[n++] = *peer;
	sim.refused_count = n;
}

static enum err lookup(struct str host, enum dns_type type, struct dns_answer *out)
{
	for (unsigned i = 0; i < sim.name_count; i++) {
		enum dns_type own = strchr(sim.names[i].ip, ':') ? DNS_AAAA : DNS_A;

		if (!str_ieqz(host, sim.names[i].host) || (type != DNS_HOST && type != own))
			continue;
		out->count = 1;
		return addr_parse(str_of(sim.names[i].ip), 0, &out->addr[0]);
	}
	return ERR_NOT_FOUND;
}

void sim_name(const char *host, const char *ip)
{
	struct name *n = &sim.names[sim.name_count];

	if (sim.name_count == MOST_NAMES)
		return;
	snprintf(n->host, sizeof(n->host), "%s", host);
	snprintf(n->ip, sizeof(n->ip), "%s", ip);
	sim.name_count++;
}

/* --- boot --- */

/* Beside the sources, or where `make install` puts it. */
static void schema_folder(char *out, size_t cap)
{
	char    exe[512];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	char   *slash;

	snprintf(out, cap, "db/schema");
	exe[n > 0 ? n : 0] = '\0';
	slash = strrchr(exe, '/');
	if (!access(out, R_OK) || !slash)
		return;
	*slash = '\0';
	snprintf(out, cap, "%s/../db/schema", exe);
	if (access(out, R_OK))
		snprintf(out, cap, "%s/../share/sipario/schema", exe);
}

enum err sim_database_make(const char *path, char *why, size_t cap)
{
	char       schema[600], url[PATH_ROOM + 8];
	unsigned   applied;
	struct db *d;
	enum err   err;

	snprintf(url, sizeof(url), "sqlite:%s", path);
	d = db_open(str_of(url), true, why, cap);
	if (!d)
		return ERR_IO;
	schema_folder(schema, sizeof(schema));
	err = db_migrate(d, schema, &applied, why, cap);
	db_close(d);
	return err;
}

bool sim_folder_make(char *room, size_t cap)
{
	snprintf(room, cap, "/dev/shm/sipario-test-XXXXXX");
	if (mkdtemp(room))
		return true;
	snprintf(room, cap, "/tmp/sipario-test-XXXXXX");
	if (mkdtemp(room))
		return true;
	room[0] = '\0';
	return false;
}

static void database_path(char room[PATH_ROOM], const char *name)
{
	snprintf(room, PATH_ROOM, "%s/%s", sim.folder, name);
}

static enum err copy_file(const char *from, const char *to)
{
	char    room[16384];
	int     in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ssize_t n = in < 0 || out < 0 ? -1 : 1;

	while (n > 0) {
		n = read(in, room, sizeof(room));
		if (n > 0 && write(out, room, (size_t)n) != n)
			n = -1;
	}
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	return n ? ERR_IO : OK;
}

static enum err database_fill(const struct sim_plan *plan, struct str url, char *why, size_t cap)
{
	struct db *d;
	enum err   err;

	if (!plan->fill)
		return OK;
	d = db_open(url, false, why, cap);
	if (!d)
		return ERR_IO;
	err = plan->fill(d, plan->arg, why, cap);
	db_close(d);
	return err;
}

static enum err database(const struct sim_plan *plan, char *why, size_t cap)
{
	char     path[PATH_ROOM], url[PATH_ROOM + 8];
	enum err err;

	if (!settings.database.len)
		return OK;
	snprintf(why, cap, "cannot make a database for the tests in /dev/shm or /tmp");
	if (!sim_folder_make(sim.folder, sizeof(sim.folder)))
		return ERR_IO;
	database_path(path, "test.db");
	snprintf(url, sizeof(url), "sqlite:%s", path);
	err = plan->database ? copy_file(plan->database, path) : sim_database_make(path, why, cap);
	if (!err)
		err = database_fill(plan, str_of(url), why, cap);
	return err ? err : db_configure(str_of(url), why, cap);
}

static void database_remove(void)
{
	static const char *const files[] = { "test.db", "test.db-wal", "test.db-shm", "away.db" };
	char                     path[PATH_ROOM];

	for (size_t i = 0; sim.folder[0] && i < COUNT_OF(files); i++) {
		database_path(path, files[i]);
		unlink(path);
	}
	if (sim.folder[0])
		rmdir(sim.folder);
	sim.folder[0] = '\0';
}

/* Reader and writer look whether their file is still there before they use it. */
void sim_database_fail(bool fail)
{
	char here[PATH_ROOM], away[PATH_ROOM];

	database_path(here, "test.db");
	database_path(away, "away.db");
	(void)rename(fail ? here : away, fail ? away : here);	/* fails when it is so already */
}

static enum err shared_floors(char *why, size_t cap)
{
	enum err err;

	static const struct proxy_user proxy = { .request = script_request, .dialog = script_dialog, .reply = script_reply, .follow = script_follow, .timeout = script_timeout, .is_local = script_is_local };
	static const struct net_user   net = { .received = proxy_received, .unreachable = tm_unreachable, .undelivered = tm_undelivered };

	snprintf(why, cap, "no shared memory");
	if (shm_create(REGION_BYTES, SLOTS))
		return ERR_NOMEM;
	proc_enter(OUR_SLOT, "test");
	trail_boot(TRAIL_BYTES);
	if (timer_boot() || mailbox_boot() || tm_boot(BUCKETS))
		return ERR_NOMEM;
	db_set_writer_slot(OUR_SLOT);
	net_set_user(&net);
	if (proxy_boot(&proxy))
		return ERR_NOMEM;
	err = modules_start(why, cap);
	db_boot_over();
	return err;
}

static bool listen_on(unsigned family, const char *ip)
{
	sim.udp[family] = net_fake_listener(TP_UDP, ip, 5060);
	sim.tcp[family] = net_fake_listener(TP_TCP, ip, 5060);
	return sim.udp[family] && sim.tcp[family];
}

static enum err worker_floors(char *why, size_t cap)
{
	static const struct dns_config dns = { .servers = "127.0.0.1:9", .timeout_ms = 1000, .tries = 1 };	/* never asked: see lookup() */

	snprintf(why, cap, "no memory");
	trail_start();
	sim.loop = loop_new();
	if (!sim.loop || !listen_on(0, SIM_SERVER) || !listen_on(1, SIM_SERVER_6) || mailbox_start(sim.loop) || dns_start(sim.loop, &dns) || script_worker_start(sim.loop))
		return ERR_NOMEM;
	if (sim.folder[0] && (db_worker_start(sim.loop) || db_writer_start(sim.loop)))
		return ERR_IO;
	if (modules_worker_start(sim.loop, why, cap))
		return ERR_STATE;
	return sim.folder[0] ? modules_writer_start(sim.loop, why, cap) : OK;
}

enum err sim_boot_as(const struct sim_plan *plan, char *why, size_t cap)
{
	static const struct clock_source source = { virtual_ms, virtual_us };
	enum err                         err;

	sim.ms = START_MS;
	sim.start_us = (plan->start_unix ? plan->start_unix : START_UNIX) * 1000000;
	sim.last = &sim.first;
	random_seed(1);
	clock_replace(&source);
	net_replace(sent);
	dns_replace(lookup);
	err = database(plan, why, cap);
	if (!err)
		err = shared_floors(why, cap);
	return err ? err : worker_floors(why, cap);
}

enum err sim_boot(char *why, size_t cap)
{
	return sim_boot_as(&(struct sim_plan){ 0 }, why, cap);
}

void sim_end(void)
{
	struct sim_message *m;

	modules_stop();
	if (sim.folder[0]) {
		modules_writer_stop();
		db_worker_stop();
		db_writer_stop();
	}
	while ((m = sim_take()))
		free(m);
	dns_stop();
	loop_free(sim.loop);
	database_remove();
	net_close_all();
	shm_destroy();
	net_replace(NULL);
	dns_replace(NULL);
	clock_replace(NULL);
	random_seed(0);
	sim.loop = NULL;
	sim.refused_count = sim.failed_count = sim.name_count = 0;
}

/* --- running --- */

struct loop *sim_loop(void)
{
	return sim.loop;
}

uint64_t sim_ms(void)
{
	return sim.ms - START_MS;
}

struct flow sim_flow_over(enum transport t, const struct addr *peer)
{
	bool six = peer->u.any.sa_family == AF_INET6;

	return (struct flow){ .via = t == TP_TCP ? sim.tcp[six] : sim.udp[six], .peer = *peer };
}

struct flow sim_flow(const char *ip, uint16_t port)
{
	struct addr peer;

	if (addr_parse(str_of(ip), port, &peer))
		return (struct flow){ 0 };
	return sim_flow_over(TP_UDP, &peer);
}

void sim_receive(struct str bytes, const struct flow *from)
{
	net_inject(bytes, from);
}

struct sim_message *sim_take(void)
{
	struct sim_message *m = sim.first;

	if (!m)
		return NULL;
	sim.first = m->next;
	if (!sim.first)
		sim.last = &sim.first;
	return m;
}

static void tell_failures(void)
{
	unsigned n = sim.failed_count;

	sim.failed_count = 0;
	for (unsigned i = 0; i < n; i++) {
		struct flow to = sim.failed[i];	/* being told, the server may send there again */

		tm_unreachable(&to);
	}
}

/* Real time passes only while a store's thread has something to say, virtual time only when nobody has: a letter posted by a timer is read
 * before. */
static bool turn_until_quiet(void)
{
	unsigned before = sim.sent;
	size_t   parked = script_runs_parked(), letters;

	loop_turn(sim.loop, 0);
	for (unsigned turns = 0; sim.folder[0] && turns < (db_waiting() ? STORE_TURNS : QUIET_TURNS); turns++)
		loop_turn(sim.loop, db_waiting() ? 1 : 0);
	letters = mailbox_read();
	net_flush();
	tell_failures();
	return letters || sim.sent != before || script_runs_parked() != parked;
}

uint32_t sim_step(uint32_t most_ms)
{
	uint32_t ms;

	if (turn_until_quiet())
		return 0;
	ms = timer_wait_ms(clock_ms(), most_ms);
	ms = wheel_wait_ms(loop_wheel(sim.loop), clock_ms(), ms);
	if (!ms)
		ms = most_ms < TIMER_TICK_MS ? most_ms : TIMER_TICK_MS;
	sim.ms += ms;
	clock_tick();
	return ms;
}

void sim_pass(uint32_t ms)
{
	while (ms)
		ms -= sim_step(ms);
	(void)turn_until_quiet();
}
