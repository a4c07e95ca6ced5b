#include "script/sim.h"

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
	REGION_BYTES = 256 << 20, SLOTS = 2, OUR_SLOT = 1, BUCKETS = 1024, MOST_NAMES = 8, TRAIL_BYTES = 2 << 20,
	QUIET_TURNS = 25,	/* of a millisecond each: a store's thread has answered by then */
};
#define START_UNIX_US INT64_C(1767225600000000)	/* 2026-01-01 */

struct name {
	char host[128], ip[64];
};
static struct {
	uint64_t               ms;		/* of the virtual clock */
	struct loop           *loop;
	const struct listener *listener;
	struct sim_message    *first, **last;
	unsigned               sent;		/* counts, to see that a turn did something */
	struct name            names[MOST_NAMES];
	unsigned               name_count;
	char                   folder[64];	/* of the database; empty: none */
} sim;

static uint64_t virtual_ms(void)
{
	return sim.ms;
}

static int64_t virtual_us(void)
{
	return START_UNIX_US + (int64_t)sim.ms * 1000;
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
}

static enum err lookup(struct str host, enum dns_type type, struct dns_answer *out)
{
	for (unsigned i = 0; i < sim.name_count; i++)
		if (str_ieqz(host, sim.names[i].host) && (type == DNS_HOST || type == DNS_A)) {
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

static enum err database_make(struct str url, char *why, size_t cap)
{
	char       schema[600];
	unsigned   applied;
	struct db *d = db_open(url, true, why, cap);
	enum err   err;

	if (!d)
		return ERR_IO;
	schema_folder(schema, sizeof(schema));
	err = db_migrate(d, schema, &applied, why, cap);
	db_close(d);
	return err ? err : db_configure(url, why, cap);
}

static enum err database(char *why, size_t cap)
{
	char url[96];

	if (!settings.database.len)
		return OK;
	snprintf(sim.folder, sizeof(sim.folder), "/tmp/sipario-test-XXXXXX");
	if (!mkdtemp(sim.folder)) {
		snprintf(why, cap, "cannot make a folder in /tmp");
		sim.folder[0] = '\0';
		return ERR_IO;
	}
	snprintf(url, sizeof(url), "sqlite:%s/test.db", sim.folder);
	return database_make(str_of(url), why, cap);
}

static void database_remove(void)
{
	static const char *const files[] = { "test.db", "test.db-wal", "test.db-shm" };
	char                     path[128];

	for (size_t i = 0; sim.folder[0] && i < COUNT_OF(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", sim.folder, files[i]);
		unlink(path);
	}
	if (sim.folder[0])
		rmdir(sim.folder);
	sim.folder[0] = '\0';
}

static enum err shared_floors(char *why, size_t cap)
{
	static const struct proxy_user proxy = { .request = script_request, .is_local = script_is_local };
	static const struct net_user   net = { .received = proxy_received, .unreachable = tm_unreachable };

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
	return modules_start(why, cap);
}

static enum err worker_floors(char *why, size_t cap)
{
	static const struct dns_config dns = { .servers = "127.0.0.1:9", .timeout_ms = 1000, .tries = 1 };	/* never asked: see lookup() */

	snprintf(why, cap, "no memory");
	trail_start();
	sim.loop = loop_new();
	sim.listener = net_fake_listener(TP_UDP, "192.0.2.10", 5060);
	if (!sim.loop || !sim.listener || mailbox_start(sim.loop) || dns_start(sim.loop, &dns) || script_worker_start(sim.loop))
		return ERR_NOMEM;
	if (sim.folder[0] && (db_worker_start(sim.loop) || db_writer_start(sim.loop)))
		return ERR_IO;
	return modules_worker_start(sim.loop, why, cap);
}

enum err sim_boot(char *why, size_t cap)
{
	static const struct clock_source source = { virtual_ms, virtual_us };
	enum err                         err;

	sim.ms = 1000000;
	sim.last = &sim.first;
	random_seed(1);
	clock_replace(&source);
	net_replace(sent);
	dns_replace(lookup);
	err = database(why, cap);
	if (!err)
		err = shared_floors(why, cap);
	return err ? err : worker_floors(why, cap);
}

void sim_end(void)
{
	struct sim_message *m;

	modules_stop();
	if (sim.folder[0]) {
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
}

/* --- running --- */

struct loop *sim_loop(void)
{
	return sim.loop;
}

struct flow sim_flow(const char *ip, uint16_t port)
{
	struct flow f = { .via = sim.listener };

	if (addr_parse(str_of(ip), port, &f.peer))
		f.via = NULL;
	return f;
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

/* Real time passes only while a store's thread may have something to say. */
static bool turn_until_quiet(void)
{
	unsigned before = sim.sent;
	size_t   parked = script_runs_parked();

	loop_turn(sim.loop, 0);
	for (unsigned quiet = 0; sim.folder[0] && quiet < QUIET_TURNS && sim.sent == before; quiet++)
		loop_turn(sim.loop, 1);
	net_flush();
	return sim.sent != before || script_runs_parked() != parked;
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
