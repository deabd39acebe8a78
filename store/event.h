/* SPDX-License-Identifier: MIT
 *
 * event — the append-only log of what happened to a certificate and why.
 */
#ifndef STORE_EVENT_H
#define STORE_EVENT_H

#include "store/store.h"

struct event {
	int64_t id;
	int64_t at;
	int64_t certificate_id; /* 0: of the whole store */
	int64_t order_id;       /* 0: none */
	char *kind;             /* "ordered", "issued", "failed", "deployed", … */
	char *text;             /* one or more printable lines; a hook's output is kept here */
};

/* at is set to now; id is filled. */
int event_record(struct store *s, struct event *ev, struct err *e);

struct event_list {
	struct event **events; /* owned, and owns them */
	size_t count;
};

/* Newest last, at most limit of the newest; certificate 0: all. */
int event_list(struct store *s, int64_t certificate_id, size_t limit, struct event_list *ret_list,
	       struct err *e);

void event_list_clear(struct event_list *l);
#define AUTO_EVENT_LIST AUTO(event_list_clear)

#endif
