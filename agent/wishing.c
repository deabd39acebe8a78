/* SPDX-License-Identifier: MIT
 *
 * wishing — see wishing.h.
 */
#include "agent/wishing.h"

#include "acme/identifier.h"
#include "agent/folders.h"
#include "agent/port_holder.h"
#include "agent/wire.h"
#include "agent/wish.h"
#include "agent/words.h"
#include "base/url.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LETSENCRYPT_STAGING "https://acme-staging-v02.api.letsencrypt.org/directory"

static const struct {
	const char *name;
	const char *url;
	const char *staging; /* NULL: none is known */
} servers[] = {
	{"letsencrypt", "https://acme-v02.api.letsencrypt.org/directory", LETSENCRYPT_STAGING},
	{"le", "https://acme-v02.api.letsencrypt.org/directory", LETSENCRYPT_STAGING},
	{"letsencrypt-staging", LETSENCRYPT_STAGING, NULL},
	{"letsencrypt_test", LETSENCRYPT_STAGING, NULL},
	{"zerossl", "https://acme.zerossl.com/v2/DV90", NULL},
	{"google", "https://dv.acme-v02.api.pki.goog/directory",
	 "https://dv.acme-v02.test-api.pki.goog/directory"},
	{"googletrust", "https://dv.acme-v02.api.pki.goog/directory", NULL},
	{"buypass", "https://api.buypass.com/acme/directory", NULL},
	{"actalis", "https://acme-api.actalis.com/acme/directory", NULL},
	{"sslcom", "https://acme.ssl.com/sslcom-dv-rsa", NULL},
	{"sslcomrsa", "https://acme.ssl.com/sslcom-dv-rsa", NULL},
	{"sslcomecc", "https://acme.ssl.com/sslcom-dv-ecc", NULL},
};

const char *wishing_server_url(const char *name)
{
	for (size_t i = 0; i < COUNT_OF(servers); i++)
		if (str_equal(servers[i].name, name))
			return servers[i].url;
	return NULL;
}

void wishing_server_names(struct strlist *names)
{
	for (size_t i = 0; i < COUNT_OF(servers); i++)
		strlist_add(names, servers[i].name);
}

int wishing_server(const char *server, bool staging, const char **ret_url, struct err *e)
{
	const char *url;
	struct err why = {0};

	if (server != NULL && staging)
		return usage(e, "--staging and --server exclude each other");
	if (server == NULL)
		server = staging ? "letsencrypt-staging" : "letsencrypt";
	url = wishing_server_url(server);
	if (url == NULL && url_check_https(server, &why) != 0)
		return usage(e, "--server is an https URL or a short name: %s", why.text);
	*ret_url = url != NULL ? url : server;
	return 0;
}

bool wishing_is_real(const char *url)
{
	for (size_t i = 0; i < COUNT_OF(servers); i++)
		if (servers[i].staging != NULL && str_equal(servers[i].staging, url))
			return false;
	return true;
}

const char *wishing_staging(const char *url)
{
	for (size_t i = 0; i < COUNT_OF(servers); i++)
		if (servers[i].staging != NULL && str_equal(servers[i].url, url))
			return servers[i].staging;
	return url;
}

bool wishing_handle_ok(const char *text)
{
	size_t len = strlen(text);
	bool good = len > 0 && len <= WISHING_HANDLE_MAX;

	for (size_t i = 0; good && i < len; i++)
		good = islower((unsigned char)text[i]) || isdigit((unsigned char)text[i]) ||
		       (i > 0 && strchr("._-", text[i]) != NULL);
	return good;
}

/* --- solver --- */

static int put_port(const struct options *o, struct json *solver, struct err *e)
{
	char *end = NULL;
	long port = strtol(o->http_port, &end, 10);

	if (*end != '\0' || port < 1 || port > 65535)
		return usage(e, "--http-port is a number from 1 to 65535, not \"%s\"",
			     o->http_port);
	json_put_number(solver, "port", port);
	return 0;
}

static int command_typed(const char *text, struct json **ret_list, struct err *e)
{
	struct strlist words AUTO_STRLIST = {0};
	struct json *list;
	int r;

	r = words_command(text, &words, e);
	if (r == 0)
		r = child_check_command(&words, e);
	if (r != 0)
		return r;
	list = json_new_list();
	for (size_t i = 0; i < words.count; i++)
		json_add_text(list, words.items[i]);
	*ret_list = list;
	return 0;
}

static int put_command(struct json *map, const char *text, struct err *e)
{
	struct json *list = NULL;
	int r = command_typed(text, &list, e);

	if (r == 0)
		json_put(map, "command", list);
	return r;
}

/* Address and port that were not typed stay as they are remembered. */
static int put_listener(const struct options *o, const struct json *old, struct json **solver,
			struct err *e)
{
	if (str_equal(json_get_text(old, "name"), "standalone")) {
		json_free(*solver);
		*solver = json_clone(old);
	} else {
		json_put_text(*solver, "name", "standalone");
		json_put_number(*solver, "port", 80);
	}
	if (o->http_address != NULL)
		json_put_text(*solver, "address",
			      o->http_address[0] != '\0' ? o->http_address : NULL);
	return o->http_port != NULL ? put_port(o, *solver, e) : 0;
}

static int put_webroot(const struct options *o, struct json *solver, struct err *e)
{
	AUTO_FREE char *directory = words_path(o->webroot);

	if (o->webroot[0] == '\0')
		return usage(e, "--webroot is empty: give the document root of the web server");
	json_put_text(solver, "name", "webroot");
	json_put_text(solver, "directory", directory);
	return 0;
}

static int solver_typed(const struct options *o, const struct json *old, struct json **ret_solver,
			struct err *e)
{
	AUTO_JSON struct json *solver = json_new_map();
	int r = 0;

	bool listens = o->standalone || o->http_address != NULL || o->http_port != NULL;

	if ((o->webroot != NULL) + (o->solver_exec != NULL) + listens > 1)
		return usage(e, "choose one of --standalone, --webroot and --solver-exec");
	if (o->webroot != NULL) {
		r = put_webroot(o, solver, e);
	} else if (o->solver_exec != NULL) {
		json_put_text(solver, "name", "exec");
		r = put_command(solver, o->solver_exec, e);
	} else if (listens) {
		r = put_listener(o, old, &solver, e);
	} else {
		return 0;
	}
	if (r == 0)
		*ret_solver = TAKE(solver);
	return r;
}

/* An everleaf that has the port shows our answers, too, if it is of this store. */
static int port_taken(int port, struct err *e)
{
	const char *why = errno == EACCES ? "it needs root or CAP_NET_BIND_SERVICE" : "";
	char holder[128] = "";

	if (errno == EADDRINUSE && listener_port_holder(port, holder, sizeof(holder)) == 0)
		why = "it is taken by ";
	if (strncmp(holder, "everleaf (", 10) == 0)
		return 0;
	return err_set(e, ERR_CONFIG,
		       "port %d cannot be used%s%s%s: say how the CA shall be answered, for "
		       "instance with --webroot DIR, the document root of the web server there",
		       port, why[0] != '\0' ? ", " : "", why, holder);
}

/* No method was said and none is remembered: standalone, if the port can be had. */
static int port_free(const char *address, int port, struct err *e)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	AUTO_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1;

	if (address != NULL && inet_pton(AF_INET, address, &to.sin_addr) != 1)
		return 0; /* the listener will say */
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (const struct sockaddr *)&to, sizeof(to)) != 0 || listen(fd, 1) != 0)
		return port_taken(port, e);
	return 0;
}

static int solver_default(struct json **solver, struct err *e)
{
	int64_t port = 80;

	if (*solver == NULL) {
		*solver = json_new_map();
		json_put_text(*solver, "name", "standalone");
		json_put_number(*solver, "port", port);
	}
	(void)json_number(json_get(*solver, "port"), &port);
	return port_free(json_get_text(*solver, "address"), (int)port, e);
}

int wishing_solver_handles(const struct json *solver, const struct strlist *names, struct err *e)
{
	const struct solver_ops *ops = wire_solver(json_get_text(solver, "name"));

	if (ops == NULL)
		return err_set(e, ERR_CONFIG, "this everleaf has no solver \"%s\"",
			       json_get_text(solver, "name"));
	for (size_t i = 0; i < names->count; i++)
		if (!ops->handles("http-01", identifier_is_wildcard(names->items[i])))
			return err_set(
				e, ERR_CONFIG,
				"%s needs a DNS challenge, which %s cannot answer: leave it out",
				names->items[i], ops->name);
	return 0;
}

int wishing_solver_check(const struct json *solver, struct err *e)
{
	const struct solver_ops *ops = wire_solver(json_get_text(solver, "name"));

	return ops->check != NULL ? ops->check(solver, e) : 0;
}

/* --- deployers --- */

/* Owner, group, mode and place are judged now, not when the CA has done its work. */
static int files_typed(const struct options *o, const char *certificate, struct json **files,
		       struct err *e)
{
	struct deployer_task task = {.certificate = certificate, .key_fd = -1};
	struct json *typed = *files;

	if (o->deploy_files != NULL && o->deploy_files[0] != '\0') {
		AUTO_FREE char *directory = words_path(o->deploy_files);

		json_put_text(typed, "name", "files");
		json_put_text(typed, "directory", directory);
	}
	if (json_get_text(typed, "directory") == NULL)
		return usage(e, "--deploy-owner and --deploy-mode go with --deploy-files DIR");
	if (o->deploy_owner != NULL) {
		const char *colon = strchr(o->deploy_owner, ':');
		AUTO_FREE char *user =
			colon != NULL ? mem_strn(o->deploy_owner, (size_t)(colon - o->deploy_owner))
				      : mem_str(o->deploy_owner);

		json_put_text(typed, "owner", user[0] != '\0' ? user : NULL);
		json_put_text(typed, "group", colon != NULL ? colon + 1 : NULL);
	}
	if (o->deploy_mode != NULL)
		json_put_text(typed, "mode", o->deploy_mode);
	*files = folders_expand(typed, certificate);
	json_free(typed);
	task.settings = *files;
	return wire_deployer("files")->room(&task, e);
}

static bool files_are_typed(const struct options *o)
{
	return o->deploy_files != NULL || o->deploy_owner != NULL || o->deploy_mode != NULL;
}

static int put_files(const struct options *o, const char *certificate, const struct json *old,
		     struct json *list, struct err *e)
{
	AUTO_JSON struct json *files = NULL;
	bool none = o->deploy_files != NULL && o->deploy_files[0] == '\0'; /* takes them away */
	int r = 0;

	for (size_t i = 0; !none && i < json_count(old); i++) {
		if (!str_equal(json_get_text(json_at(old, i), "name"), "files"))
			continue;
		if (files != NULL && !files_are_typed(o))
			json_add(list, TAKE(files));
		json_free(files);
		files = json_clone(json_at(old, i));
	}
	if ((o->deploy_files != NULL && !none) || o->deploy_owner != NULL ||
	    o->deploy_mode != NULL) {
		if (files == NULL)
			files = json_new_map();
		r = files_typed(o, certificate, &files, e);
	}
	if (r == 0 && files != NULL)
		json_add(list, TAKE(files));
	return r;
}

static int put_hooks(const struct options *o, const char *certificate, const struct json *old,
		     struct json *list, struct err *e)
{
	int r = 0;

	if (o->deploy_hooks.count == 0) {
		for (size_t i = 0; i < json_count(old); i++)
			if (str_equal(json_get_text(json_at(old, i), "name"), "exec"))
				json_add(list, json_clone(json_at(old, i)));
		return 0;
	}
	for (size_t i = 0; r == 0 && i < o->deploy_hooks.count; i++) {
		AUTO_JSON struct json *hook = NULL;

		if (o->deploy_hooks.items[i][0] == '\0')
			continue; /* --deploy-hook "" takes the remembered ones away */
		hook = json_new_map();
		json_put_text(hook, "name", "exec");
		r = put_command(hook, o->deploy_hooks.items[i], e);
		json_add(list, folders_expand(hook, certificate));
	}
	return r;
}

bool wishing_endpoint_ok(const char *text)
{
	const char *colon = strrchr(text, ':');
	const char *port = colon != NULL ? colon + 1 : "";

	return colon != NULL && colon != text && strspn(port, "0123456789") == strlen(port) &&
	       strlen(port) <= 5 && atoi(port) >= 1 && atoi(port) <= 65535;
}

static int prove_check(const char *prove, struct err *e)
{
	if (!wishing_endpoint_ok(prove))
		return usage(e, "--prove is HOST:PORT, not \"%s\"", prove);
	return 0;
}

/* Typed, remembered, or NULL; the empty text takes the remembered one away. */
static const char *prove_wanted(const struct options *o, const struct json *old)
{
	const char *prove = o->prove;

	for (size_t i = 0; prove == NULL && i < json_count(old); i++)
		prove = json_get_text(json_at(old, i), "prove");
	return prove != NULL && prove[0] != '\0' ? prove : NULL;
}

/* The last deployer is the one whose reload the server's new face follows. */
static struct json *with_prove(const char *prove, const struct json *list)
{
	struct json *proved = json_new_list();

	for (size_t i = 0; i < json_count(list); i++) {
		struct json *deployer = json_clone(json_at(list, i));

		if (prove != NULL && i + 1 == json_count(list))
			json_put_text(deployer, "prove", prove);
		else if (json_get_text(deployer, "prove") != NULL)
			json_put_text(deployer, "prove", NULL);
		json_add(proved, deployer);
	}
	return proved;
}

static int put_deploy(const struct options *o, const char *certificate, const struct wish *before,
		      struct wish_parts *wish, struct err *e)
{
	const struct json *old = before != NULL ? before->deploy : NULL;
	AUTO_JSON struct json *list = json_new_list();
	const char *prove = prove_wanted(o, old);
	int r;

	if (old != NULL && !files_are_typed(o) && o->deploy_hooks.count == 0 && o->prove == NULL) {
		wish->deploy = json_clone(old); /* also what only a file can say */
		return 0;
	}
	r = put_files(o, certificate, old, list, e);
	if (r == 0)
		r = put_hooks(o, certificate, old, list, e);
	if (r == 0 && o->prove != NULL && prove != NULL)
		r = json_count(list) > 0
			    ? prove_check(prove, e)
			    : usage(e, "--prove goes with --deploy-files or --deploy-hook");
	if (r == 0)
		wish->deploy = with_prove(prove, list);
	return r;
}

/* --- the whole --- */

static int put_key(const struct options *o, const struct wish *old, struct wish_parts *wish,
		   struct err *e)
{
	wish->key = old != NULL ? old->key : KEY_EC256;
	if (o->key_type == NULL)
		return 0;
	wish->key = key_kind_parse(o->key_type);
	if (wish->key == KEY_NONE)
		return usage(e, "--key-type is ec-256, ec-384 or rsa-2048, not \"%s\"",
			     o->key_type);
	return 0;
}

static int put_solver(const struct options *o, const struct wish *old, const struct strlist *names,
		      struct wish_parts *wish, struct err *e)
{
	AUTO_JSON struct json *solver = NULL;
	int r;

	r = solver_typed(o, old != NULL ? old->solver : NULL, &solver, e);
	if (r == 0 && solver == NULL && old != NULL && old->solver != NULL)
		solver = json_clone(old->solver);
	else if (r == 0 && !o->standalone && o->webroot == NULL && o->solver_exec == NULL)
		r = solver_default(&solver, e);
	if (r == 0)
		r = wishing_solver_handles(solver, names, e);
	if (r == 0)
		r = wishing_solver_check(solver, e);
	if (r == 0)
		wish->solver = TAKE(solver);
	return r;
}

/* Typed, remembered, or none; the empty text takes the remembered one away. */
static int put_hook(const char *typed, const struct wish *old, const char *member,
		    struct json **ret_hook, struct err *e)
{
	const struct json *before = old != NULL ? json_get(old->root, member) : NULL;

	if (typed != NULL)
		return typed[0] != '\0' ? command_typed(typed, ret_hook, e) : 0;
	if (before != NULL)
		*ret_hook = json_clone(before);
	return 0;
}

int wishing(const struct options *o, const struct wishing_of *of, char **ret_wish, struct err *e)
{
	struct wish_parts wish AUTO(wish_parts_clear) = {0};
	AUTO_WISH struct wish *before = NULL;
	int r = 0;

	if (of->wish != NULL)
		r = wish_parse(of->wish, &before, e);
	if (r == 0)
		r = put_key(o, before, &wish, e);
	if (r == 0)
		r = put_solver(o, before, of->names, &wish, e);
	if (r == 0)
		r = put_deploy(o, of->certificate, before, &wish, e);
	if (r == 0)
		r = put_hook(o->pre_hook, before, "pre_hook", &wish.pre_hook, e);
	if (r == 0)
		r = put_hook(o->post_hook, before, "post_hook", &wish.post_hook, e);
	if (before != NULL)
		wish.profile = json_get_text(before->root, "profile");
	if (r == 0)
		*ret_wish = wish_print(&wish);
	return r;
}
