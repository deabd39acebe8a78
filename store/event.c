/* SPDX-License-Identifier: MIT
 *
 * event — appends to the table event and reads it.
 */
#include "store/event.h"

#include "store/internal.h"

#include <stdlib.h>

#define COLUMNS "id, at, certificate_id, order_id, kind, text"

static struct event *event_read(struct sql *q)
{
	struct event *ev = mem_new(sizeof(*ev));

	ev->id = sql_int(q);
	ev->at = sql_int(q);
	ev->certificate_id = sql_int(q);
	ev->order_id = sql_int(q);
	ev->kind = sql_text(q);
	ev->text = sql_text(q);
	return ev;
}

int event_record(struct store *s, struct event *ev, struct err *e)
{
	struct sql q AUTO_SQL = sql_start(&s->db, "INSERT INTO event (" COLUMNS
						  ") VALUES ($1, $2, $3, $4, $5, $6)");
	const int64_t now = clock_now(s->clock);
	int64_t id = 0;
	int r;

	r = id_next(&s->db, "event", &id, e);
	if (r != 0)
		return r;
	sql_bind_int(&q, id);
	sql_bind_int(&q, now);
	sql_bind_int(&q, ev->certificate_id);
	sql_bind_int(&q, ev->order_id);
	sql_bind_text(&q, ev->kind);
	sql_bind_text(&q, ev->text != NULL ? ev->text : "");
	r = sql_run(&q, e);
	if (r != 0)
		return r;
	ev->id = id;
	ev->at = now;
	return 0;
}

/* By id, not by time: a clock that was set back must not turn the story around. */
int event_list(struct store *s, int64_t certificate_id, size_t limit, struct event_list *ret_list,
	       struct err *e)
{
	struct sql q AUTO_SQL = sql_start(
		&s->db, "SELECT " COLUMNS " FROM (SELECT " COLUMNS " FROM event "
			"WHERE $1 = 0 OR certificate_id = $1 ORDER BY id DESC LIMIT $2) AS newest "
			"ORDER BY id");
	struct event_list list AUTO_EVENT_LIST = {0};
	int r;

	sql_bind_int(&q, certificate_id);
	sql_bind_int(&q, limit < INT64_MAX ? (int64_t)limit : INT64_MAX);
	for (;;) {
		r = sql_step(&q, e);
		if (r < 0)
			return r;
		if (r == 0)
			break;
		list.events = mem_grow(list.events, list.count + 1, sizeof(*list.events));
		list.events[list.count++] = event_read(&q);
	}
	*ret_list = list;
	list = (struct event_list){0};
	return 0;
}

static void event_free(struct event *ev)
{
	free(ev->kind);
	free(ev->text);
	free(ev);
}

void event_list_clear(struct event_list *l)
{
	for (size_t i = 0; i < l->count; i++)
		event_free(l->events[i]);
	free(l->events);
	*l = (struct event_list){0};
}
