/* SPDX-License-Identifier: MIT
 *
 * world — see the header: its birth, its agents, its time.
 */
#include "tests/machine/world.h"

#include "agent/wanted.h"
#include "base/file.h"
#include "base/log.h"
#include "store/account.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define START      INT64_C(4000000000) /* after any build date */
#define MAX_STEPS  200000
#define MAX_ANSWER 4096

static void must(int r, const struct err *e)
{
	if (r != 0)
		fail_msg("%s", e->text);
}

/* --- birth and death --- */

/* The CA's view of http-01. */
static int world_fetch(void *arg, const char *identifier, const char *token, struct buf *ret_answer)
{
	const struct world *w = arg;
	AUTO_FREE char *path = mem_printf("%s/.well-known/acme-challenge/%s", w->webroot, token);

	(void)identifier;
	return file_read(path, ret_answer, NULL);
}

static char *wish_text(const struct world *w, const char *files)
{
	return mem_printf("{\"key\":\"ec-256\",\"profile\":null,"
			  "\"solver\":{\"name\":\"webroot\",\"directory\":\"%s\"},"
			  "\"deploy\":[{\"name\":\"files\",\"directory\":\"%s\"}]}",
			  w->webroot, files);
}

static void first_rows(struct world *w, struct store *s, const char *names)
{
	AUTO_ACCOUNT_ROW struct account *a = mem_new(sizeof(*a));
	AUTO_CERTIFICATE struct certificate *c = mem_new(sizeof(*c));
	struct err e = {0};

	a->server = mem_str(mock_ca_directory(w->ca));
	a->entry = mem_str("default");
	a->contact = mem_str("ops@example.org");
	a->stage = mem_str("key");
	a->agreed = true;
	c->name = mem_str("www.example");
	c->origin = mem_str("command");
	strlist_add_split(&c->names, names, " ");
	c->wish = wish_text(w, w->files);
	must(store_turn_begin(s, &e), &e);
	must(account_insert(s, a, &e), &e);
	c->account_id = a->id;
	must(certificate_insert(s, c, &e), &e);
	must(store_turn_commit(s, &e), &e);
	w->certificate_id = c->id;
}

void world_seed(void)
{
	const char *given = getenv("EVERLEAF_TEST_SEED");
	unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10)
				      : (unsigned)clock_now(clock_system());

	print_message("# EVERLEAF_TEST_SEED=%u\n", seed);
	srandom(seed);
}

int64_t world_stride(void)
{
#if defined(__SANITIZE_ADDRESS__)
	return getenv("EVERLEAF_LONG") != NULL ? 1 : 4;
#else
	return 1;
#endif
}

int64_t world_first(void)
{
	if (world_stride() == 1)
		return 1;
	world_seed();
	return 1 + random() % world_stride();
}

struct world *world_new(const char *names, uint64_t seed)
{
	return world_new_at(names, seed, NULL);
}

struct world *world_new_at(const char *names, uint64_t seed, const char *base)
{
	struct world *w = mem_new(sizeof(*w));
	struct mock_ca_config config = {
		.base = base, .seed = seed, .fetch = world_fetch, .fetch_arg = w};
	struct store *s = NULL;
	struct err e = {0};

	umask(022);
	if (getenv("EVERLEAF_TEST_LOG") != NULL)
		log_level = LOG_DEBUG;
	else
		log_level = LOG_ERROR;
	snprintf(w->base, sizeof(w->base), "%s/everleaf-machine-XXXXXX", unit_memory());
	assert_non_null(mkdtemp(w->base));
	w->state = mem_printf("%s/state", w->base);
	w->webroot = mem_printf("%s/www", w->base);
	w->files = mem_printf("%s/files", w->base);
	assert_int_equal(mkdir(w->webroot, 0755), 0);
	w->loop = fake_loop_new();
	fake_loop_set_now(w->loop, START);
	config.clock = fake_loop_clock(w->loop);
	w->ca = mock_ca_new(&config);
	mock_net_init(&w->net, fake_loop_loop(w->loop), w->ca);
	must(store_open(w->state, config.clock, &s, &e), &e);
	first_rows(w, s, names);
	store_free(s);
	return w;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

void world_free(struct world *w)
{
	for (size_t i = 0; i < WORLD_AGENTS; i++)
		world_kill(w, i);
	assert_int_equal(fake_loop_watches(w->loop), 0); /* nothing outlives its engine */
	assert_int_equal(w->net.in_flight, 0);
	mock_ca_free(w->ca);
	fake_loop_free(w->loop);
	assert_int_equal(nftw(w->base, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
	free(w->state);
	free(w->webroot);
	free(w->files);
	free(w);
}

int world_setup(void **state)
{
	*state = world_new("www.example", 1);
	return 0;
}

int world_teardown(void **state)
{
	world_free(*state);
	return 0;
}

/* --- agents --- */

static struct store *agent_store(struct world *w, size_t agent)
{
	struct agent *a = &w->agents[agent];
	struct err e = {0};

	if (a->store == NULL)
		must(store_open(w->state, fake_loop_clock(w->loop), &a->store, &e), &e);
	return a->store;
}

void world_start(struct world *w, size_t agent, enum world_run run)
{
	struct agent *a = &w->agents[agent];
	struct engine_config config = {
		.here = true,
		.store = agent_store(w, agent),
		.loop = &w->net.loop,
		.clock = fake_loop_clock(w->loop),
		.by_hand = run != RUN_DAEMON,
		.patient = run == RUN_RENEW,
		.informed = run == RUN_RENEW || run == RUN_DAEMON,
		.transport_new = mock_net_transport,
		.notify = w->notify,
		.deployer = w->deployer,
	};
	enum engine_issue issue = run == RUN_FORCE    ? ISSUE_NOW
				  : run == RUN_FINISH ? ISSUE_NEVER
						      : ISSUE_IF_DUE;
	struct err e = {0};

	assert_null(a->engine);
	must(engine_new(&config, &a->engine, &e), &e);
	a->by_hand = config.by_hand;
	a->end = (struct err){0};
	if (a->by_hand)
		engine_add(a->engine, w->certificate_id, issue);
	if (agent == 0)
		w->steps = 0;
	w->event = false;
}

void world_kill(struct world *w, size_t agent)
{
	struct agent *a = &w->agents[agent];

	engine_free(TAKE(a->engine));
	store_free(TAKE(a->store));
}

/* --- time --- */

/* One turn of each engine; how long the loop may wait then. */
static int64_t world_turns(struct world *w)
{
	int64_t next = -1;

	for (size_t i = 0; i < WORLD_AGENTS; i++) {
		struct agent *a = &w->agents[i];
		int64_t ms = -1;

		if (a->engine == NULL || a->end.code != ERR_NONE)
			continue;
		if (!a->by_hand && store_changed(a->store))
			engine_poke(a->engine);
		if (engine_tick(a->engine, &ms, &a->end) == 0 && ms >= 0 && (next < 0 || ms < next))
			next = ms;
	}
	return next;
}

/* The shorter of two waits, of which -1 has no end. */
static int64_t shorter(int64_t a, int64_t b)
{
	if (a < 0 || (b >= 0 && b < a))
		return b;
	return a;
}

/* The next thing that happens, at most limit_ms from now; nothing does before. */
static void world_event(struct world *w, int64_t limit_ms)
{
	int64_t timer, others;

	mock_ca_tick(w->ca);
	timer = fake_loop_next_ms(w->loop);
	others = shorter(shorter(w->next_ms, mock_ca_next_ms(w->ca)), limit_ms);
	if (timer >= 0 && shorter(timer, others) == timer)
		(void)fake_loop_skip(w->loop);
	else if (others > 0)
		fake_loop_advance(w->loop, others); /* no timer is due before */
	if (w->burst)
		fake_loop_settle(w->loop);
	mock_ca_tick(w->ca);
}

static void step_within(struct world *w, int64_t limit_ms)
{
	w->steps++;
	if (w->event)
		world_event(w, limit_ms);
	else
		w->next_ms = world_turns(w);
	w->event = !w->event;
}

void world_step(struct world *w)
{
	step_within(w, -1);
}

bool world_settled(const struct world *w)
{
	for (size_t i = 0; i < WORLD_AGENTS; i++) {
		const struct agent *a = &w->agents[i];

		if (a->engine != NULL && a->by_hand && a->end.code == ERR_NONE &&
		    !engine_settled(a->engine))
			return false;
	}
	return true;
}

bool world_run(struct world *w, int64_t limit)
{
	while (!w->event || !world_settled(w)) { /* asked after turns only, as commands do */
		if (limit > 0 && w->steps >= limit)
			return false;
		if (w->steps > MAX_STEPS)
			fail_msg("it never ends");
		world_step(w);
	}
	return true;
}

void world_command(struct world *w, enum world_run run)
{
	world_start(w, 0, run);
	assert_true(world_run(w, 0));
	world_kill(w, 0);
}

void world_pass(struct world *w, int64_t seconds)
{
	const struct clock *clock = fake_loop_clock(w->loop);
	int64_t end = clock_mono_ms(clock) + seconds * 1000;

	while (clock_mono_ms(clock) < end || !w->event)
		step_within(w, end - clock_mono_ms(clock));
}

void world_sleep(struct world *w, int64_t seconds)
{
	fake_loop_advance(w->loop, seconds * 1000);
}

int64_t world_now(const struct world *w)
{
	return clock_now(fake_loop_clock(w->loop));
}

/* --- what is wanted --- */

void world_change(struct world *w, size_t agent,
		  void (*change)(struct world *w, struct certificate *c))
{
	struct store *s = agent_store(w, agent);
	AUTO_CERTIFICATE struct certificate *c = NULL;
	struct err e = {0};

	must(store_turn_begin(s, &e), &e);
	must(certificate_load(s, w->certificate_id, &c, &e), &e);
	assert_non_null(c);
	change(w, c);
	must(certificate_save(s, c, &e), &e);
	must(wanted_order(s, c, &e), &e);
	must(store_turn_commit(s, &e), &e);
}

void world_want_names(struct certificate *c, const char *names)
{
	strlist_clear(&c->names);
	strlist_add_split(&c->names, names, " ");
}

void world_want_files(struct world *w, struct certificate *c, const char *files)
{
	AUTO_FREE char *wish = wish_text(w, files);

	mem_set_str(&c->wish, wish);
}
