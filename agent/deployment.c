/* SPDX-License-Identifier: MIT
 *
 * deployment — the machine that brings a version to one target.
 *
 *     DUE → CHECK → INSTALL ⇒ RELOAD → PROVE ⇒ DONE        on failure: ⇒ DUE after a back-off
 *     DUE → PROVE        a reload that began after it was raised has succeeded already
 *     DUE ⇒ DUE          at the opening of its window
 *
 * 1. At least once: INSTALL and RELOAD may run again after a crash; a reload is journalled (⇒)
 *    before it starts, so a hook that may have run is known to have.
 * 2. All of it runs under the target's claim: two certificates or two processes never install to
 *    or reload one server at once.
 * 3. Deployments of one version go in their order; a later one waits for the earlier ones.
 * 4. A newer version ends the older one's deployments (superseded): what is deployed never goes
 *    back by accident.
 * 5. A dry run ends after CHECK.
 * 6. PROVE: two handshakes in a row show the new leaf, a moment apart, until a deadline; else the
 *    deployment has failed. One is not enough: while a server reloads, its old process and the new
 *    one both accept connections.
 * 7. A closed window (agent/schedule_deploy.h) is no failure: DUE gives the row back until later.
 * 8. A target with a `reload` is reloaded once for all that come to it at about the same time. DUE
 *    raises target.wanted and keeps what it became with the row (deployment.raised), at a time when
 *    everything before it in its version's order is in place; then it waits for others that are
 *    about to come, for COMING_LIMIT_MS. A reload stands for what was wanted when it began, and
 *    only its success makes that target.done. Who was raised to no more than that need not reload.
 *    Who dies in between leaves done below raised, so there will be a reload; one that was not
 *    heard is run again. A reload that fails fails its own deployment alone, and others run their
 *    own; one that did not prove is raised anew.
 * 9. A reload that was begun and never heard was cut off by our own end (target.begun, durable
 * before it starts). Perhaps it brought that about: so the target, and with it all that it would
 * have stood for, waits for a back-off that grows while it happens in a row.
 */
#include "acme/retry.h"
#include "agent/engine.h"
#include "agent/machines.h"
#include "agent/outlook.h"
#include "agent/work.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROVE_LIMIT_S  15
#define PROVE_AGAIN_MS 250

#define COMING_LIMIT_MS 10000
#define COMING_AGAIN_MS 200

#define CALLED_S 5 /* the hook that called us has ended by then, mostly */

#define DAY 86400

static const struct stage stage_due, stage_install, stage_reload, stage_prove, stage_deployed,
	stage_superseded;

struct deployment_memory {
	struct deployment *deployment;
	struct target *target;
	struct version *version;
	struct json *settings;
	char *directory; /* of a `files` deployer before this one, or NULL */
	char *output;    /* of a program that failed, for failed(): hear's rows are undone */
	int64_t wanted;  /* the target's, when our reload began */
	int64_t since;   /* of PROVE */
	bool shown;      /* the last handshake showed the new leaf */
	int64_t came_ms; /* mono: when it began to wait for others; 0: not yet */
	bool shares;     /* its target is reloaded once for all that come together */
	bool alone;      /* nobody else was about to come, the last time it asked */
	bool target_taken;
};

static struct deployment_memory *memory(const struct step *s)
{
	return s->memory;
}

int64_t deployment_target(const struct step *s)
{
	if (s->machine != &machine_deployment || s->memory == NULL || !memory(s)->target_taken)
		return 0;
	return memory(s)->target->id;
}

/* Where an earlier `files` deployer of the same version puts it: hooks are told. */
static int find_directory(struct step *s, struct err *e)
{
	struct deployment_memory *m = memory(s);
	struct deployment **list = NULL;
	size_t count = 0;
	int r;

	r = deployment_list(engine_store(s->engine), m->version->id, &list, &count, e);
	for (size_t i = 0; r == 0 && i < count; i++) {
		AUTO_TARGET struct target *t = NULL;
		AUTO_JSON struct json *settings = NULL;

		if (list[i]->position >= m->deployment->position)
			break;
		r = target_load(engine_store(s->engine), list[i]->target_id, &t, e);
		if (r != 0 || t == NULL || !str_equal(t->deployer, "files"))
			continue;
		r = json_parse(t->settings, strlen(t->settings), &settings, e);
		if (r == 0)
			mem_set_str(&m->directory, json_get_text(settings, "directory"));
	}
	deployment_list_free(list, count);
	return r;
}

static int deployment_read(struct step *s, struct err *e)
{
	struct store *store = engine_store(s->engine);
	struct deployment_memory *m = memory(s);
	int r;

	r = deployment_load(store, s->id, &m->deployment, e);
	if (r == 0 && m->deployment != NULL)
		r = target_load(store, m->deployment->target_id, &m->target, e);
	if (r == 0 && m->deployment != NULL)
		r = version_load(store, m->deployment->version_id, &m->version, e);
	if (r == 0 && (m->deployment == NULL || m->target == NULL || m->version == NULL))
		r = err_set(e, ERR_SYS, "deployment %lld is gone", (long long)s->id);
	if (r == 0)
		r = json_parse(m->target->settings, strlen(m->target->settings), &m->settings, e);
	if (r != 0)
		return r;
	m->shares = json_get(m->settings, "reload") != NULL;
	return find_directory(s, e);
}

static int deployment_machine_load(struct step *s, struct err *e)
{
	AUTO_CERTIFICATE struct certificate *c = NULL;
	int r;

	s->memory = mem_new(sizeof(struct deployment_memory));
	r = deployment_read(s, e);
	if (r == 0)
		r = certificate_load(engine_store(s->engine), memory(s)->deployment->certificate_id,
				     &c, e);
	if (r != 0)
		return r;
	s->certificate_id = memory(s)->deployment->certificate_id;
	s->label = mem_str(c != NULL ? c->name : "(removed)");
	s->standing = &memory(s)->deployment->standing;
	s->stage = &stage_due; /* a reload that was cut off begins with its install … */
	/* … but is no progress when it comes to its reload again: one that kills us is counted */
	s->saved = str_equal(memory(s)->deployment->stage, stage_reload.name) ? &stage_reload
									      : &stage_due;
	return 0;
}

static int deployment_machine_save(struct step *s, bool release, struct err *e)
{
	struct deployment *d = memory(s)->deployment;
	int r;

	mem_set_str(&d->stage, s->saved->name);
	r = deployment_save(engine_store(s->engine), d, release, e);
	if (r == 0 && release && memory(s)->target_taken)
		r = claim_release(engine_store(s->engine), CLAIM_TARGET, memory(s)->target->id, e);
	return r;
}

/* Of a dry run: the next one is checked all the same. */
static int deployment_dismissed(struct step *s, const struct err *why, struct err *e)
{
	memory(s)->deployment->ended_at = step_now(s);
	s->standing->error = *why;
	s->saved = &stage_superseded;
	return step_ends(s, &stage_superseded, e);
}

static int deployment_machine_failed(struct step *s, const struct err *why, struct err *e)
{
	int r;

	if (memory(s)->output != NULL)
		step_event(s, "output", "%s", memory(s)->output);
	if (engine_rehearses(s->engine))
		return deployment_dismissed(s, why, e);
	step_event(s, "deploy-failed", "%s: %s", memory(s)->target->deployer, why->text);
	if (s->stage == &stage_prove)
		memory(s)->deployment->raised = 0; /* the reload did not do what it is for */
	s->saved = &stage_due;
	r = s->stage == &stage_reload
		    ? target_heard(engine_store(s->engine), memory(s)->target->id, e)
		    : 0;
	return r == 0 ? step_parks(s, why, e) : r;
}

static void deployment_machine_forget(struct step *s)
{
	struct deployment_memory *m = memory(s);

	if (m == NULL)
		return;
	deployment_free(m->deployment);
	target_free(m->target);
	version_free(m->version);
	json_free(m->settings);
	free(m->directory);
	free(m->output);
	free(TAKE(s->memory));
	s->standing = NULL;
}

const struct machine machine_deployment = {
	.name = "deployment",
	.claim = CLAIM_DEPLOYMENT,
	.load = deployment_machine_load,
	.save = deployment_machine_save,
	.failed = deployment_machine_failed,
	.forget = deployment_machine_forget,
};

/* What a program printed is kept with the event. */
static int deployment_trouble(struct step *s, const struct work *w, struct err *e)
{
	if (w == NULL || w->error.code == ERR_NONE)
		return 0;
	if (w->output != NULL && w->output[0] != '\0')
		mem_set_str(&memory(s)->output, w->output);
	*e = w->error;
	return e->code;
}

static int deployment_asks(struct step *s, enum deployer_verb verb, struct err *e)
{
	struct deployment_memory *m = memory(s);

	struct deployer_ask ask = {verb, m->target, m->version, m->directory};

	return work_deployer(s, &ask, e);
}

/* --- due --- */

/* Another reading of the row, which others raise and reach. */
static int target_read_again(struct step *s, struct err *e)
{
	struct deployment_memory *m = memory(s);
	struct target *now = NULL;
	int r = target_load(engine_store(s->engine), m->deployment->target_id, &now, e);

	if (r == 0 && now == NULL)
		r = err_set(e, ERR_SYS, "target %lld is gone", (long long)m->target->id);
	if (r != 0)
		return r;
	target_free(m->target);
	m->target = now;
	return 0;
}

/* Not before its window opens; said when it begins to wait, and not at each look. */
static int due_window(struct step *s, struct err *e)
{
	struct deployment_memory *m = memory(s);
	struct schedule_deploy_input in = {
		.window = m->target->window,
		.by_hand = engine_hurries(s->engine) || engine_rehearses(s->engine),
		.now = step_now(s),
	};
	struct schedule_deploy next = {0};
	char when[CLOCK_TEXT_SIZE];
	int r = outlook_deploy(engine_store(s->engine), m->deployment, in, &next, e);

	if (r != 0 || next.when <= in.now)
		return r;
	step_log(s, s->standing->next_at == 0 ? LOG_NOTICE : LOG_DEBUG,
		 "%s waits for its window; it is deployed at %s", m->target->deployer,
		 clock_format(next.when, when));
	return step_postpones(s, next.when < in.now + DAY ? next.when : in.now + DAY, e);
}

static int due_raises(struct step *s, struct err *e)
{
	struct deployment_memory *m = memory(s);
	int r = target_raise(engine_store(s->engine), m->target->id, &m->deployment->raised, e);

	s->wrote = true;
	return r == 0 ? s->machine->save(s, false, e) : r;
}

/* Waits while others are about to come. Nobody twice in a row, because between what comes before
 * it and its own DUE nobody has a deployment. */
static int due_gathers(struct step *s, struct err *e)
{
	struct deployment_memory *m = memory(s);
	int64_t now_ms = clock_mono_ms(engine_clock(s->engine));
	bool coming = false, alone = m->alone;
	int r;

	if (m->came_ms == 0)
		m->came_ms = now_ms;
	r = deployment_coming(engine_store(s->engine), m->target->id, &coming, e);
	m->alone = !coming;
	if (r == 0 && !(alone && m->alone) && now_ms < m->came_ms + COMING_LIMIT_MS)
		step_waits(s, COMING_AGAIN_MS);
	return r;
}

static int deployment_reloaded(struct step *s, struct err *e);

/* Before a reload of its own: perhaps there has been one, or others join. */
static int due_shares(struct step *s, struct err *e)
{
	struct deployment_memory *m = memory(s);
	int r = 0;

	if (m->deployment->raised == 0)
		r = due_raises(s, e);
	if (r == 0)
		r = target_read_again(s, e);
	if (r != 0)
		return r;
	if (m->deployment->raised <= m->target->done)
		return deployment_reloaded(s, e);
	return engine_target_busy(s->engine, s, m->target->id) ? 0 : due_gathers(s, e);
}

/* What its reload runs, for people. The caller's. */
static char *reload_words(const struct deployment_memory *m)
{
	struct strlist words AUTO_STRLIST = {0};

	wish_words(m->settings, m->shares ? "reload" : "command", &words);
	return strlist_join(&words, " ");
}

/* 9. The target is ours, so nobody runs the reload that was begun: it was cut off. */
static int due_cut(struct step *s, struct err *e)
{
	struct target *t = memory(s)->target;

	t->failures++;
	t->next_at = step_now(s) + retry_backoff(t->failures, step_spread(s));
	t->begun = 0;
	s->wrote = true;
	return target_cut(engine_store(s->engine), t->id, t->next_at, e);
}

/* Not again at once: a program that restarts the daemon would do so for ever. A command goes on as
 * if nothing had happened (the claim is charged), since nobody starts it anew. */
static int due_calms(struct step *s, struct err *e)
{
	const struct deployment_memory *m = memory(s);
	AUTO_FREE char *words = reload_words(m);
	struct err why = {0};
	int r = target_read_again(s, e);

	if (r == 0 && m->target->begun != 0 && !engine_by_hand(s->engine))
		r = due_cut(s, e);
	if (r != 0 || m->target->next_at <= step_now(s) ||
	    m->target->next_at > step_now(s) + DAY + DAY / 4 || engine_hurries(s->engine))
		return r;
	err_set(&why, ERR_CHILD,
		"everleaf ended while \"%s\" ran, %lld time%s in a row; if that is what stops "
		"everleaf, it must not wait for it (everleaf-hooks(7))",
		words, (long long)m->target->failures, m->target->failures == 1 ? "" : "s");
	step_event(s, "deploy-failed", "%s: %s", m->target->deployer, why.text);
	s->standing->failures++;
	return step_parks_until(s, &why, m->target->next_at, e);
}

/* The hook that has the target waits for us: another everleaf brings it there afterwards. */
static int due_called(struct step *s, struct err *e)
{
	const struct deployment_memory *m = memory(s);

	step_log(
		s, LOG_NOTICE,
		"the hook that called this has the same target of %s; it is deployed when that has "
		"ended",
		m->target->deployer);
	return step_postpones(s, step_now(s) + CALLED_S, e);
}

/* One at a time works on a target. */
static int due_claims(struct step *s, struct err *e)
{
	struct deployment_memory *m = memory(s);
	int r;

	if (engine_target_busy(s->engine, s, m->target->id)) {
		step_waits(s, 50);
		return 0;
	}
	r = claim_take(engine_store(s->engine), CLAIM_TARGET, m->target->id, &m->target_taken, e);
	if (r != 0 || m->target_taken)
		return r;
	if (engine_target_calls(s->engine, m->target->id))
		return due_called(s, e);
	step_waits(s, 200);
	return 0;
}

/* DUE waits for its window, for others and for the target; CHECK asks whether it could be done. */
static int due_ask(struct step *s, struct err *e)
{
	struct deployment_memory *m = memory(s);
	int r;

	r = due_window(s, e);
	if (r == 0 && !s->over && m->shares && !engine_rehearses(s->engine))
		r = due_shares(s, e);
	if (r != 0 || s->over || s->waits || s->stage != &stage_due)
		return r;
	r = due_claims(s, e);
	if (r == 0 && !s->waits && !s->over)
		r = due_calms(s, e);
	if (r != 0 || s->waits || s->over)
		return r;
	s->wrote = true;
	return deployment_asks(s, DEPLOYER_CHECK, e);
}

static int deployment_closes(struct step *s, struct err *e)
{
	memory(s)->deployment->ended_at = step_now(s);
	s->standing->error = (struct err){0};
	s->standing->failures = 0;
	s->standing->next_at = 0;
	s->saved = &stage_deployed;
	return step_ends(s, &stage_deployed, e);
}

static int due_hear(struct step *s, struct work *w, struct err *e)
{
	int r = deployment_trouble(s, w, e);

	if (r == 0 && engine_rehearses(s->engine))
		return deployment_closes(s, e);
	return r != 0 ? r : step_goes(s, &stage_install, e);
}

static int install_ask(struct step *s, struct err *e)
{
	return deployment_asks(s, DEPLOYER_INSTALL, e);
}

static int install_hear(struct step *s, struct work *w, struct err *e)
{
	struct deployment_memory *m = memory(s);
	int r;

	r = deployment_trouble(s, w, e);
	if (r == 0 && !m->shares)
		r = target_raise(engine_store(s->engine), m->target->id, &m->deployment->raised, e);
	return r != 0 ? r : step_goes(s, &stage_reload, e);
}

/* It starts after this turn's commit: whoever was raised to what is read here, in this turn or
 * before, was so before it began. */
static int reload_ask(struct step *s, struct err *e)
{
	struct deployment_memory *m = memory(s);
	int r = target_read_again(s, e);

	if (r != 0)
		return r;
	m->wanted = m->target->wanted;
	r = deployment_asks(s, DEPLOYER_RELOAD, e);
	if (r != 0 || s->works == NULL)
		return r;
	return target_begins(engine_store(s->engine), m->target->id, m->wanted, e);
}

static int deployment_ends(struct step *s, struct err *e)
{
	struct deployment_memory *m = memory(s);

	step_event(s, "deployed", "%s: certificate %s", m->target->deployer, m->version->serial);
	step_log(s, LOG_NOTICE, "deployed by %s%s", m->target->deployer,
		 json_get_text(m->settings, "prove") != NULL
			 ? ", and the server was seen to serve it"
			 : "");
	return deployment_closes(s, e);
}

static int deployment_reloaded(struct step *s, struct err *e)
{
	struct deployment_memory *m = memory(s);

	if (json_get_text(m->settings, "prove") == NULL)
		return deployment_ends(s, e);
	m->since = step_now(s);
	m->shown = false;
	return step_goes(s, &stage_prove, e);
}

/* A proof that takes its time holds up nobody who shares the target. */
static int reload_hear(struct step *s, struct work *w, struct err *e)
{
	struct deployment_memory *m = memory(s);
	struct store *store = engine_store(s->engine);
	int r = deployment_trouble(s, w, e);

	if (r != 0)
		return r;
	if (w != NULL && w->output != NULL && w->output[0] != '\0')
		step_event(s, "output", "%s", w->output);
	r = target_reached(store, m->target->id, m->wanted, e);
	if (r == 0)
		r = target_heard(store, m->target->id, e);
	if (r == 0 && m->shares) {
		r = claim_release(store, CLAIM_TARGET, m->target->id, e);
		m->target_taken = false;
	}
	if (r == 0)
		r = deployment_reloaded(s, e);
	m->target_taken = m->target_taken || (r != 0 && m->shares); /* it is undone with the rest */
	return r;
}

/* The first name that can stand in a TLS server_name. */
static const char *prove_name(const struct version *v)
{
	for (size_t i = 0; i < v->names.count; i++)
		if (v->names.items[i][0] != '*')
			return v->names.items[i];
	return NULL;
}

static int prove_ask(struct step *s, struct err *e)
{
	struct deployment_memory *m = memory(s);

	return work_probe(s, json_get_text(m->settings, "prove"), prove_name(m->version), e);
}

static int prove_hear(struct step *s, struct work *w, struct err *e)
{
	struct deployment_memory *m = memory(s);
	const bool before = m->shown;
	char served[65];

	for (size_t i = 0; i < 32; i++)
		snprintf(served + 2 * i, 3, "%02x", w->fingerprint[i]);
	m->shown = w->error.code == ERR_NONE && str_equal(served, m->version->fingerprint);
	if (m->shown && before)
		return deployment_ends(s, e);
	if (m->shown || step_now(s) - m->since < PROVE_LIMIT_S) {
		step_waits(s, PROVE_AGAIN_MS);
		return 0;
	}
	if (w->error.code != ERR_NONE)
		return err_set(e, ERR_CHILD, "%s does not show the new certificate: %s",
			       json_get_text(m->settings, "prove"), w->error.text);
	return err_set(e, ERR_CHILD, "%s still serves another certificate",
		       json_get_text(m->settings, "prove"));
}

static const struct stage stage_due = {
	.name = "due",
	.ask = due_ask,
	.hear = due_hear,
	.durable = true,
};

static const struct stage stage_install = {
	.name = "install",
	.ask = install_ask,
	.hear = install_hear,
};

static const struct stage stage_reload = {
	.name = "reload",
	.ask = reload_ask,
	.hear = reload_hear,
	.durable = true,
	.trying = true,
};

static const struct stage stage_prove = {.name = "prove", .ask = prove_ask, .hear = prove_hear};

static const struct stage stage_deployed = {.name = "done", .durable = true};

static const struct stage stage_superseded = {.name = "superseded", .durable = true};
