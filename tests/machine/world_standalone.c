/* SPDX-License-Identifier: MIT
 *
 * world_standalone — see world_standalone.h.
 */
#include "tests/machine/world_standalone.h"

#include "agent/standalone.h"
#include "base/file.h"
#include "tests/unit/web_server.h"

void world_want_standalone(struct world *w, struct certificate *c)
{
	AUTO_FREE char *wish = mem_printf(
		"{\"key\":\"ec-256\",\"solver\":{\"name\":\"standalone\",\"address\":\"127.0.0.1\","
		"\"port\":%d},\"deploy\":[{\"name\":\"files\",\"directory\":\"%s\"}]}",
		web_server_free_port(), w->files);

	mem_set_str(&c->wish, wish);
}

int world_fetch_shown(void *arg, const char *identifier, const char *token, struct buf *ret_answer)
{
	const struct world *w = arg;
	AUTO_FREE char *path = mem_printf("%s/answers/%s", w->state, token);
	const struct engine *g = w->agents[0].engine;

	(void)identifier;
	if (g == NULL || !standalone_listens(engine_standalone(g)))
		return -1;
	return file_read(path, ret_answer, NULL);
}
