/* SPDX-License-Identifier: MIT: sim, see the header. */
#define OPENSSL_SUPPRESS_DEPRECATED /* RAND_set_rand_method: the one way to numbers of our own */

#include "tests/machine/sim_internal.h"

#include "agent/engine.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/account.h"
#include "store/certificate.h"
#include "store/internal.h"
#include "tests/mock/mock_internal.h"
#include "tests/unit/fake_loop.h"

#include <fcntl.h>
#include <ftw.h>
#include <openssl/rand.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOK_MS (SIM_HOUR * 1000)

#define HASTE                                                                                      \
	"PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY"

static uint64_t crypto_state;

static uint64_t next_random(uint64_t *state)
{
	*state += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */
	uint64_t z = *state;

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static int crypto_bytes(unsigned char *bytes, int count)
{
	for (int i = 0; i < count; i++)
		bytes[i] = (unsigned char)(next_random(&crypto_state) >> 32);
	return 1;
}

static int crypto_status(void)
{
	return 1;
}

static RAND_METHOD crypto_random = {
	.bytes = crypto_bytes, .pseudorand = crypto_bytes, .status = crypto_status};

int64_t sim_random(struct sim *s, int64_t below)
{
	return (int64_t)(next_random(&s->random) % (uint64_t)below);
}

static void mute(struct sim *s)
{
	AUTO_FD int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (getenv("EVERLEAF_TEST_LOG") != NULL || getenv("EVERLEAF_TEST_TRACE") != NULL)
		return;
	s->voice = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	(void)dup2(nowhere, STDERR_FILENO);
}

void sim_loud(struct sim *s)
{
	if (s->voice < 0)
		return;
	(void)dup2(s->voice, STDERR_FILENO);
	close(s->voice);
	s->voice = -1;
}

int64_t sim_now(const struct sim *s)
{
	return clock_now(fake_loop_clock(s->loop)) - s->wrong;
}

static int64_t true_now(void *arg)
{
	return sim_now(arg);
}

static int64_t true_mono_ms(void *arg)
{
	const struct sim *s = arg;
	return clock_mono_ms(fake_loop_clock(s->loop));
}

/* As the daemon does. */
static void sim_prune(struct sim *s)
{
	if (sim_now(s) - s->pruned_at < SIM_DAY)
		return;
	assert_int_equal(store_prune(s->store, NULL), 0);
	s->pruned_at = sim_now(s);
}

void sim_until(struct sim *s, int64_t when)
{
	struct err e = {0};
	int64_t left;

	mute(s);
	while ((left = (when - sim_now(s)) * 1000) > 0) {
		int64_t timer;
		int64_t ms = -1;

		if (engine_tick(s->engine, &ms, &e) != 0)
			BROKEN(s, "turn", "%s", e.text);
		timer = fake_loop_next_ms(s->loop);
		if (ms < 0 || (timer >= 0 && timer < ms))
			ms = timer;
		if (ms < 0 || ms > left)
			ms = left;
		if (ms > 0)
			fake_loop_advance(s->loop, ms);
		fake_loop_settle(s->loop);
		sim_prune(s);
	}
	sim_loud(s);
}

/* --- what happens --- */

/* subject QUICK_NOBODY: from everybody. */
static void add_gap(struct sim *s, size_t subject, int64_t until)
{
	s->gaps = mem_grow(s->gaps, s->gap_count + 1, sizeof(*s->gaps));
	s->gaps[s->gap_count++] = (struct gap){sim_now(s), until, subject};
}

void sim_weather(struct sim *s, enum quick_mood mood, int64_t until)
{
	s->weather.mood = mood;
	s->weather_until = until;
	add_gap(s, QUICK_NOBODY, until);
}

void sim_refuse(struct sim *s, size_t subject, int64_t until)
{
	add_gap(s, subject, until);
	s->subjects[subject].refused_until = until;
	s->subjects[subject].tries = 0;
}

void sim_pull(struct sim *s, size_t subject)
{
	s->subjects[subject].pulled_at = sim_now(s);
}

/* What was promised in the time before a clock changed cannot be measured in the one after. */
static void forget_promises(struct sim *s)
{
	for (size_t i = 0; i < s->config.subjects; i++) {
		s->subjects[i].order_from = s->subjects[i].info_from = 0;
		s->subjects[i].tries = 0;
	}
}

static void set_wall(struct sim *s, int64_t now)
{
	fake_loop_set_now(s->loop, now);
	engine_poke(s->engine); /* a daemon looks within a minute */
	forget_promises(s);
}

void sim_wrong_clock(struct sim *s, int64_t seconds)
{
	int64_t now = sim_now(s);

	if (s->wrong != 0) {
		add_gap(s, QUICK_NOBODY, now);
		s->gaps[s->gap_count - 1].from = s->wrong_since;
	}
	s->wrong = seconds;
	s->wrong_since = now;
	set_wall(s, now + seconds);
}

void sim_suspend(struct sim *s, int64_t seconds)
{
	add_gap(s, QUICK_NOBODY, sim_now(s) + seconds);
	set_wall(s, sim_now(s) + s->wrong + seconds);
}

/* --- the CA --- */

static void trace(struct sim *s, const struct quick_request *q)
{
	AUTO_FREE char *line =
		mem_printf("%lld %s %s %zu\n", (long long)clock_mono_ms(fake_loop_clock(s->loop)),
			   q->method, q->url, q->subject);

	s->counts.requests++;
	if (getenv("EVERLEAF_TEST_TRACE") != NULL)
		fputs(line, stderr);
	assert_int_equal(EVP_DigestUpdate(s->trace, line, strlen(line)), 1);
}

/* Whether what is down or busy is so for this request. */
static bool weather_meets(struct sim *s, const struct quick_request *q)
{
	if (s->weather.mood == QUICK_FINE)
		return false;
	if (sim_now(s) >= s->weather_until) {
		s->weather.mood = QUICK_FINE;
		return false;
	}
	if (s->weather.mood == QUICK_DOWN)
		return true;
	s->weather.retry_after = 60 + sim_random(s, 12 * SIM_HOUR);
	return q->kind == QUICK_NEW_ORDER || q->kind == QUICK_INFO;
}

static struct quick_weather sim_answers(void *arg, const struct quick_request *q)
{
	struct sim *s = arg;
	struct subject *u = q->subject != QUICK_NOBODY ? &s->subjects[q->subject] : NULL;

	trace(s, q);
	if (q->kind == QUICK_NEW_ORDER)
		sim_rule_orders(s, u, q);
	if (q->kind == QUICK_INFO)
		sim_rule_info(s, u, q);
	if (weather_meets(s, q)) {
		if (u != NULL && s->weather.mood == QUICK_BUSY)
			sim_heard_busy(s, u, q);
		if (u != NULL)
			u->tries = 0;
		return s->weather;
	}
	if (q->kind == QUICK_NEW_ORDER && sim_now(s) < u->refused_until) {
		sim_rule_tries(s, u, q);
		s->counts.refused++;
		return (struct quick_weather){.mood = QUICK_REFUSES};
	}
	return (struct quick_weather){0};
}

static int64_t sim_lifetime(void *arg, size_t subject)
{
	return ((const struct sim *)arg)->config.lifetime(subject);
}

static struct quick_advice sim_advises(void *arg, const struct quick_leaf *leaf)
{
	struct sim *s = arg;
	struct subject *u = &s->subjects[leaf->subject];
	int64_t life = leaf->not_after - leaf->not_before;
	struct quick_advice a = {
		.start = leaf->not_before + life * 3 / 5,
		.end = leaf->not_before + life * 2 / 3,
		.retry_after = s->config.info_again,
	};
	int64_t past = sim_now(s) % s->config.info_again;

	if (s->config.info_at_once && s->config.info_again - past >= 60)
		a.retry_after = s->config.info_again - past;
	if (u->pulled_at != 0) {
		a.start = u->pulled_at - SIM_DAY;
		a.end = u->pulled_at - SIM_HOUR;
	}
	u->info_from = sim_now(s) + a.retry_after;
	return a;
}

static void sim_issues(void *arg, const struct quick_leaf *leaf)
{
	struct sim *s = arg;
	struct subject *u = &s->subjects[leaf->subject];

	sim_rule_expiry(s, u, "issued");
	sim_rule_late(s, u, "issued");
	sim_rule_after_end(s, u, "issued");
	s->counts.issued++;
	u->issued++;
	u->issued_at = sim_now(s);
	u->not_before = leaf->not_before;
	u->not_after = leaf->not_after;
	u->info_from = u->pulled_at = 0;
	u->tries = 0;
}

/* --- what came of it --- */

struct sim_counts sim_counts(const struct sim *s)
{
	return s->counts;
}

size_t sim_issued(const struct sim *s, size_t subject)
{
	return s->subjects[subject].issued;
}

int64_t sim_issued_at(const struct sim *s, size_t subject)
{
	return s->subjects[subject].issued_at;
}

char *sim_trace(struct sim *s)
{
	unsigned char digest[32];
	char *text = mem_new(2 * sizeof(digest) + 1);

	assert_int_equal(EVP_DigestFinal_ex(s->trace, digest, NULL), 1);
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(text + 2 * i, 3, "%02x", digest[i]);
	return text;
}

/* --- birth and death --- */

static int64_t account_row(struct sim *s, const char *base)
{
	AUTO_ACCOUNT_ROW struct account *a = mem_new(sizeof(*a));

	a->server = mem_printf("%s/directory", base);
	a->entry = mem_str("default");
	a->contact = mem_str("");
	a->stage = mem_str("key");
	a->agreed = true;
	assert_int_equal(account_insert(s->store, a, NULL), 0);
	return a->id;
}

static void rows(struct sim *s)
{
	int64_t informing, plain = 0;

	assert_int_equal(store_turn_begin(s->store, NULL), 0);
	informing = account_row(s, s->config.informing);
	if (s->config.plain != NULL)
		plain = account_row(s, s->config.plain);
	for (size_t i = 0; i < s->config.subjects; i++) {
		AUTO_CERTIFICATE struct certificate *c = mem_new(sizeof(*c));

		c->name = mem_printf("c%zu", i);
		c->origin = mem_str("command");
		strlist_addf(&c->names, "c%zu.test", i);
		c->wish = mem_str("{\"key\":\"ec-256\",\"solver\":{\"name\":\"webroot\","
				  "\"directory\":\"/nowhere\"},\"deploy\":[]}");
		c->account_id = plain != 0 && i % 2 == 1 ? plain : informing;
		assert_int_equal(certificate_insert(s->store, c, NULL), 0);
	}
	assert_int_equal(store_turn_commit(s->store, NULL), 0);
}

/* The store's own random number chooses instants too. */
static void seed_store(const struct sim *s)
{
	AUTO_FREE char *path = mem_printf("%s/everleaf.db", s->state);
	AUTO_FREE char *text =
		mem_printf("UPDATE meta SET seed = CAST(printf('%%032d', %llu) AS BLOB)",
			   (unsigned long long)(s->config.seed & INT64_MAX));
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void sim_open(struct sim *s)
{
	const struct clock *clock = fake_loop_clock(s->loop);
	struct err e = {0};

	if (store_open(s->state, clock, &s->store, &e) != 0)
		fail_msg("%s", e.text);
	store_free(TAKE(s->store));
	seed_store(s);
	assert_int_equal(store_open(s->state, clock, &s->store, &e), 0);
	assert_int_equal(db_exec(&s->store->db, HASTE, &e), 0);
	assert_int_equal(db_exec(&s->store->keys, HASTE, &e), 0);
	rows(s);
}

struct sim *sim_new(const struct sim_config *config)
{
	struct sim *s = mem_new(sizeof(*s));
	struct quick_ca_config ca = {
		.clock = &s->clock,
		.informing = config->informing,
		.weather = sim_answers,
		.lifetime = sim_lifetime,
		.advice = sim_advises,
		.issued = sim_issues,
		.arg = s,
	};
	struct engine_config engine = {.here = true,
				       .informed = true,
				       .transport_new = quick_ca_transport,
				       .look_ms = LOOK_MS};

	log_level = getenv("EVERLEAF_TEST_LOG") != NULL ? LOG_INFO : LOG_ERROR;
	s->config = *config;
	s->voice = -1;
	s->random = crypto_state = config->seed;
	assert_int_equal(RAND_set_rand_method(&crypto_random), 1);
	s->subjects = mem_new(config->subjects * sizeof(*s->subjects));
	s->trace = EVP_MD_CTX_new();
	assert_int_equal(EVP_DigestInit_ex(s->trace, EVP_sha256(), NULL), 1);
	snprintf(s->base, sizeof(s->base), "%s/everleaf-sim-XXXXXX", unit_memory());
	assert_non_null(mkdtemp(s->base));
	s->state = mem_printf("%s/state", s->base);
	s->loop = fake_loop_new();
	s->clock = (struct clock){true_now, true_mono_ms, s};
	fake_loop_set_now(s->loop, START);
	s->pruned_at = START;
	s->ca = quick_ca_new(&ca, fake_loop_loop(s->loop));
	sim_open(s);
	engine.store = s->store;
	engine.loop = quick_ca_loop(s->ca);
	engine.clock = fake_loop_clock(s->loop);
	assert_int_equal(engine_new(&engine, &s->engine, NULL), 0);
	return s;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

void sim_free(struct sim *s)
{
	for (size_t i = 0; i < s->config.subjects; i++)
		sim_rule_expiry(s, &s->subjects[i], "the end");
	engine_free(s->engine);
	store_free(s->store);
	assert_int_equal(fake_loop_watches(s->loop), 0);
	quick_ca_free(s->ca);
	fake_loop_free(s->loop);
	assert_int_equal(nftw(s->base, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
	assert_int_equal(RAND_set_rand_method(NULL), 1);
	EVP_MD_CTX_free(s->trace);
	free(s->subjects);
	free(s->gaps);
	free(s->state);
	free(s);
}
