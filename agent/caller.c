/* SPDX-License-Identifier: MIT
 *
 * caller — see caller.h. The only reader of other processes' environments.
 */
#include "agent/caller.h"

#include "agent/engine.h"
#include "agent/machines.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MARKER      "EVERLEAF_HOOK"
#define MAX_DEPTH   64   /* ancestors that are looked at */
#define MAX_ENVIRON 4096 /* of each: launch.c puts few variables before ours */
#define MAX_STAT    512

char *caller_marker(const struct step *s)
{
	if (s->machine != &machine_order && s->machine != &machine_deployment)
		return NULL; /* no command waits for a notice */
	return mem_printf(MARKER "=%s:%s:%" PRId64 ":%" PRId64,
			  store_owner(engine_store(s->engine)), s->machine->name, s->id,
			  s->certificate_id);
}

/* --- where markers are found --- */

/* What a file of /proc begins with, with a NUL at its end. */
static ssize_t read_beginning(pid_t pid, const char *file, char *text, size_t size)
{
	char path[64];
	int fd AUTO_FD = -1;
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/%ld/%s", (long)pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	len = read(fd, text, size - 1);
	if (len >= 0)
		text[len] = '\0';
	return len;
}

/* PID (NAME) STATE PARENT …, and a name may have parentheses of its own. 0: unknown. */
static pid_t parent_of(pid_t pid)
{
	char text[MAX_STAT];
	const char *name_end;
	long parent = 0;

	if (read_beginning(pid, "stat", text, sizeof(text)) <= 0)
		return 0;
	name_end = strrchr(text, ')');
	if (name_end == NULL || sscanf(name_end, ") %*c %ld", &parent) != 1)
		return 0;
	return (pid_t)parent;
}

static void add_of(pid_t pid, struct strlist *markers)
{
	char text[MAX_ENVIRON];
	ssize_t len = read_beginning(pid, "environ", text, sizeof(text));

	for (ssize_t at = 0; at < len; at += (ssize_t)strlen(text + at) + 1)
		if (strncmp(text + at, MARKER "=", sizeof(MARKER)) == 0)
			strlist_add(markers, text + at + sizeof(MARKER));
}

static void collect(struct strlist *markers)
{
	const char *own = getenv(MARKER);
	pid_t pid = getppid();

	if (own != NULL)
		strlist_add(markers, own);
	for (int depth = 0; pid > 0 && depth < MAX_DEPTH; depth++) {
		add_of(pid, markers);
		pid = parent_of(pid);
	}
}

/* --- what they say --- */

static bool marker_read(const char *marker, struct caller *c, char owner[STORE_ID_SIZE])
{
	char machine[16];

	*c = (struct caller){.what = CLAIM_ORDER};
	if (sscanf(marker, "%32[0-9a-f]:%15[a-z]:%" SCNd64 ":%" SCNd64, owner, machine, &c->id,
		   &c->certificate_id) != 4)
		return false;
	if (str_equal(machine, machine_deployment.name))
		c->what = CLAIM_DEPLOYMENT;
	return c->what == CLAIM_DEPLOYMENT || str_equal(machine, machine_order.name);
}

static int caller_add(struct callers *callers, struct store *store, struct caller c, struct err *e)
{
	AUTO_DEPLOYMENT struct deployment *d = NULL;
	int r = 0;

	if (c.what == CLAIM_DEPLOYMENT)
		r = deployment_load(store, c.id, &d, e);
	if (r != 0)
		return r;
	c.target_id = d != NULL ? d->target_id : 0;
	callers->list = mem_grow(callers->list, callers->count + 1, sizeof(c));
	callers->list[callers->count++] = c;
	return 0;
}

int callers_find(struct store *store, struct callers *ret_callers, struct err *e)
{
	struct callers callers AUTO_CALLERS = {0};
	struct strlist markers AUTO_STRLIST = {0};
	int r = 0;

	collect(&markers);
	for (size_t i = 0; r == 0 && i < markers.count; i++) {
		char said[STORE_ID_SIZE], owner[STORE_ID_SIZE];
		struct caller c;

		if (!marker_read(markers.items[i], &c, said))
			continue;
		r = claim_owner(store, c.what, c.id, owner, e);
		if (r == 0 && owner[0] != '\0' && str_equal(owner, said))
			r = caller_add(&callers, store, c, e);
	}
	if (r != 0)
		return r;
	*ret_callers = callers;
	callers = (struct callers){0};
	return 0;
}

int callers_refuse(const struct callers *callers, int64_t certificate_id, const char *name,
		   struct err *e)
{
	for (size_t i = 0; i < callers->count; i++)
		if (callers->list[i].certificate_id == certificate_id)
			return err_set(
				e, ERR_BUSY,
				"%s: a hook that everleaf runs for it called this, and "
				"would wait for itself; nothing was done, try again when the "
				"hook has ended (everleaf-hooks(7))",
				name);
	return 0;
}

bool callers_hold(const struct callers *callers, int64_t target_id)
{
	for (size_t i = 0; callers != NULL && i < callers->count; i++)
		if (callers->list[i].target_id == target_id)
			return true;
	return false;
}

void callers_clear(struct callers *callers)
{
	free(TAKE(callers->list));
	callers->count = 0;
}
