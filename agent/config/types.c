/* SPDX-License-Identifier: MIT
 *
 * types — see types.h.
 */
#include "agent/config/types.h"

#include "acme/identifier.h"
#include "agent/config/secret.h"
#include "agent/wanted.h"
#include "agent/window.h"
#include "agent/wishing.h"
#include "base/key.h"
#include "base/url.h"
#include "hooks/deployer.h"
#include "hooks/program.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXT_MAX 4096 /* well below what a wish is read back with (JSON_MAX_STRING) */
#define LIST_MAX 100

/* --- what is common --- */

static bool is_null(const struct node *v)
{
	static const char *const words[] = {"~", "null", "Null", "NULL"};

	for (size_t i = 0; v->kind == NODE_TEXT && !v->quoted && i < COUNT_OF(words); i++)
		if (str_equal(v->text, words[i]))
			return true;
	return false;
}

const char *type_of(const struct node *v)
{
	if (v->kind == NODE_LIST)
		return "a list";
	if (v->kind == NODE_MAP)
		return "a map";
	if (node_is_empty(v))
		return "nothing";
	return is_null(v) ? "null" : "a text";
}

static struct json *wrong(struct reading *r, const struct node *v, const char *want)
{
	config_error_add(r->errors, &v->at, "\"%s\" has to be %s, not \"%s\"", r->key, want,
			 v->text);
	return NULL;
}

/* Any text there is, or NULL after a complaint. */
static const char *word_of(struct reading *r, const struct node *v, const char *want)
{
	if (v->kind != NODE_TEXT || node_is_empty(v))
		config_error_add(r->errors, &v->at, "\"%s\" has to be %s, not %s", r->key, want,
				 type_of(v));
	else if (strlen(v->text) > TEXT_MAX)
		config_error_add(r->errors, &v->at, "\"%s\" is longer than %d bytes", r->key,
				 TEXT_MAX);
	else
		return v->text;
	return NULL;
}

/* A text of one line that says something. */
static const char *text_of(struct reading *r, const struct node *v, const char *want)
{
	const char *text = word_of(r, v, want);

	if (text == NULL)
		return NULL;
	if (is_null(v))
		config_error_add(r->errors, &v->at,
				 "\"%s\" has to be %s, not null: leave it out, or put the word "
				 "into quotes",
				 r->key, want);
	else if (text[0] == '\0')
		config_error_add(r->errors, &v->at, "\"%s\" is empty", r->key);
	else if (strpbrk(text, "\n\t") != NULL)
		config_error_add(r->errors, &v->at,
				 "\"%s\" has to be %s, without line breaks and tabs", r->key, want);
	else
		return text;
	return NULL;
}

/* One item, or a list of items that are all different. */
static struct json *list_of(struct reading *r, const struct node *v, schema_type *type)
{
	AUTO_JSON struct json *list = json_new_list();
	struct strlist seen AUTO_STRLIST = {0};
	bool good = true;

	if (v->kind == NODE_LIST && v->count > LIST_MAX) {
		config_error_add(r->errors, &v->at, "\"%s\" has more than %d items", r->key,
				 LIST_MAX);
		return NULL;
	}
	for (size_t i = 0; i < (v->kind == NODE_LIST ? v->count : 1); i++) {
		const struct node *item = v->kind == NODE_LIST ? v->items[i] : v;
		struct json *value = type(r, item);

		if (value == NULL) {
			good = false;
			continue;
		}
		if (strlist_has(&seen, json_text(value))) {
			config_error_add(r->errors, &item->at, "\"%s\" stands twice in \"%s\"",
					 json_text(value), r->key);
			good = false;
		}
		strlist_add(&seen, json_text(value));
		json_add(list, value);
	}
	return good ? TAKE(list) : NULL;
}

struct json *type_one_of(struct reading *r, const struct node *v, const char *want,
			 const char *const *texts)
{
	const char *text = text_of(r, v, want);
	struct strlist known AUTO_STRLIST = {0};
	AUTO_FREE char *suggestion = NULL;

	if (text == NULL)
		return NULL;
	for (; *texts != NULL; texts++)
		strlist_add(&known, *texts);
	if (strlist_has(&known, text))
		return json_new_text(text);
	suggestion = config_suggestion(text, &known);
	config_error_add(r->errors, &v->at, "\"%s\" has to be %s, not \"%s\"%s", r->key, want, text,
			 suggestion);
	return NULL;
}

/* --- texts, flags and numbers --- */

struct json *type_text(struct reading *r, const struct node *v)
{
	const char *text = text_of(r, v, "a text");

	return text != NULL ? json_new_text(text) : NULL;
}

struct json *type_path(struct reading *r, const struct node *v)
{
	static const char want[] = "a full path, starting with /";
	const char *text = text_of(r, v, want);

	if (text != NULL && text[0] != '/')
		return wrong(r, v, want);
	return text != NULL ? json_new_text(text) : NULL;
}

struct json *type_bundle(struct reading *r, const struct node *v)
{
	struct json *path = type_path(r, v);

	if (path != NULL && access(v->text, R_OK) != 0)
		config_warning_add(r->errors, &v->at, "the CA bundle %s cannot be read: %s",
				   v->text, strerror(errno));
	return path;
}

/* What YAML 1.1 took for a flag is told what to write. */
struct json *type_flag(struct reading *r, const struct node *v)
{
	static const char *const words[][2] = {{"yes", "true"},   {"on", "true"},   {"y", "true"},
					       {"1", "true"},     {"true", "true"}, {"no", "false"},
					       {"off", "false"},  {"n", "false"},   {"0", "false"},
					       {"false", "false"}};
	const char *text = text_of(r, v, "true or false");

	if (text == NULL)
		return NULL;
	if (!v->quoted && (str_equal(text, "true") || str_equal(text, "false")))
		return json_new_flag(str_equal(text, "true"));
	for (size_t i = 0; i < COUNT_OF(words); i++) {
		if (strcasecmp(words[i][0], text) != 0)
			continue;
		config_error_add(r->errors, &v->at,
				 "\"%s\" has to be true or false, not %s%s%s: write %s", r->key,
				 v->quoted ? "\"" : "", text, v->quoted ? "\"" : "", words[i][1]);
		return NULL;
	}
	return wrong(r, v, "true or false");
}

struct json *type_port(struct reading *r, const struct node *v)
{
	static const char want[] = "a number from 1 to 65535";
	const char *text = text_of(r, v, want);

	if (text == NULL)
		return NULL;
	if (strspn(text, "0123456789") != strlen(text) || strlen(text) > 5 || text[0] == '0' ||
	    atoi(text) > 65535)
		return wrong(r, v, want);
	if (v->quoted) {
		config_error_add(r->errors, &v->at, "\"%s\" is a number: write it without quotes",
				 r->key);
		return NULL;
	}
	return json_new_number(atoi(text));
}

static bool is_address(const char *text)
{
	unsigned char bytes[16];

	return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

struct json *type_address(struct reading *r, const struct node *v)
{
	const char *text = text_of(r, v, "an IP address");

	if (text != NULL && !is_address(text))
		return wrong(r, v, "an IP address");
	return text != NULL ? json_new_text(text) : NULL;
}

struct json *type_endpoint(struct reading *r, const struct node *v)
{
	const char *text = text_of(r, v, "HOST:PORT");

	if (text != NULL && !wishing_endpoint_ok(text))
		return wrong(r, v, "HOST:PORT");
	return text != NULL ? json_new_text(text) : NULL;
}

struct json *type_listen(struct reading *r, const struct node *v)
{
	static const char want[] = "ADDRESS:PORT or unix:/path";
	const char *text = text_of(r, v, want);
	AUTO_FREE char *host = NULL;

	if (text == NULL)
		return NULL;
	if (strncmp(text, "unix:/", 6) == 0 && text[6] != '\0')
		return json_new_text(text);
	if (!wishing_endpoint_ok(text))
		return wrong(r, v, want);
	host = text[0] == '[' ? mem_strn(text + 1, strcspn(text + 1, "]"))
			      : mem_strn(text, (size_t)(strrchr(text, ':') - text));
	return is_address(host) ? json_new_text(text) : wrong(r, v, want);
}

struct json *type_mode(struct reading *r, const struct node *v)
{
	const char *text = text_of(r, v, "a mode like 0640");
	struct err e = {0};
	mode_t mode;

	if (text == NULL)
		return NULL;
	if (files_mode_parse(text, &mode, &e) == 0)
		return json_new_text(text);
	config_error_add(r->errors, &v->at, "%s", e.text);
	return NULL;
}

struct json *type_key_kind(struct reading *r, const struct node *v)
{
	static const char *const kinds[] = {"ec-256", "ec-384", "rsa-2048", NULL};
	static const char want[] = "ec-256, ec-384 or rsa-2048";
	enum key_kind kind = v->kind == NODE_TEXT ? key_kind_parse(v->text) : KEY_NONE;

	return kind != KEY_NONE ? json_new_text(key_kind_name(kind))
				: type_one_of(r, v, want, kinds);
}

struct json *type_window(struct reading *r, const struct node *v)
{
	const char *text = text_of(r, v, "a text like \"Mon-Fri 02:00-05:00\"");
	struct window w;
	struct err e = {0};

	if (text == NULL)
		return NULL;
	if (window_parse(text, &w, &e) == 0)
		return json_new_text(text);
	config_error_add(r->errors, &v->at, "%s", e.text);
	return NULL;
}

struct json *type_format(struct reading *r, const struct node *v)
{
	static const char *const formats[] = {"text", "kv", "json", NULL};

	return type_one_of(r, v, "text, kv or json", formats);
}

/* --- names --- */

struct json *type_texts(struct reading *r, const struct node *v)
{
	return list_of(r, v, type_text);
}

static struct json *name(struct reading *r, const struct node *v)
{
	const char *text = text_of(r, v, "a name, or a list of names");
	AUTO_FREE char *canonical = NULL;
	struct err e = {0};

	if (text == NULL)
		return NULL;
	if (identifier_canonical(text, &canonical, &e) == 0)
		return json_new_text(canonical);
	config_error_add(r->errors, &v->at, "%s", e.text);
	return NULL;
}

struct json *type_names(struct reading *r, const struct node *v)
{
	return list_of(r, v, name);
}

static struct json *contact(struct reading *r, const struct node *v)
{
	const char *text = text_of(r, v, "a mail address");

	if (text != NULL && !wanted_mail_ok(text))
		return wrong(r, v, "a mail address");
	return text != NULL ? json_new_text(text) : NULL;
}

struct json *type_contacts(struct reading *r, const struct node *v)
{
	return list_of(r, v, contact);
}

struct json *type_server(struct reading *r, const struct node *v)
{
	const char *text = text_of(r, v, "an https URL or a short name");
	struct strlist names AUTO_STRLIST = {0};
	AUTO_FREE char *suggestion = NULL;
	struct err e = {0};

	if (text == NULL)
		return NULL;
	if (wishing_server_url(text) != NULL)
		return json_new_text(wishing_server_url(text));
	if (url_check_https(text, &e) == 0)
		return json_new_text(text);
	wishing_server_names(&names);
	suggestion = config_suggestion(text, &names);
	if (strchr(text, ':') == NULL)
		config_error_add(r->errors, &v->at,
				 "\"%s\" is no CA's short name and no https URL%s", text,
				 suggestion);
	else
		config_error_add(r->errors, &v->at, "%s", e.text);
	return NULL;
}

/* --- programs and secrets --- */

struct json *type_hook(struct reading *r, const struct node *v)
{
	static const char want[] = "a list of a program and its arguments";
	AUTO_JSON struct json *list = json_new_list();
	struct strlist words AUTO_STRLIST = {0};
	struct err e = {0};
	bool good = true;

	if (v->kind != NODE_LIST) {
		config_error_add(r->errors, &v->at,
				 "\"%s\" has to be %s, like [/usr/sbin/nginx, -s, reload], not %s",
				 r->key, want, type_of(v));
		return NULL;
	}
	if (v->count > PROGRAM_MAX_ARGUMENTS) {
		config_error_add(r->errors, &v->at, "\"%s\" has more than %d words", r->key,
				 PROGRAM_MAX_ARGUMENTS);
		return NULL;
	}
	for (size_t i = 0; i < v->count; i++) {
		const char *word = word_of(r, v->items[i], i == 0 ? "a program" : "a text");

		good = good && word != NULL;
		if (word == NULL)
			continue;
		json_add_text(list, word);
		strlist_add(&words, word);
	}
	if (!good)
		return NULL;
	if (v->count > 0 && v->items[0]->text[0] != '/') {
		config_error_add(r->errors, &v->items[0]->at,
				 "the program \"%s\" has to be given by its full path, starting "
				 "with /",
				 v->items[0]->text);
		return NULL;
	}
	if (v->count > 0 && child_check_command(&words, &e) != 0)
		config_warning_add(r->errors, &v->items[0]->at, "%s", e.text);
	return TAKE(list);
}

struct json *type_command(struct reading *r, const struct node *v)
{
	if (v->kind == NODE_LIST && v->count == 0) {
		config_error_add(r->errors, &v->at, "\"%s\" names no program", r->key);
		return NULL;
	}
	return type_hook(r, v);
}

/* What is no reference is never shown: it may be the secret. */
struct json *type_reference(struct reading *r, const struct node *v)
{
	const char *text = text_of(r, v, "file:/path, env:NAME or cred:NAME");
	struct buf secret AUTO_BUF = {0};
	struct err e = {0};

	if (text == NULL)
		return NULL;
	if (config_secret_check(text, &e) != 0) {
		config_error_add(r->errors, &v->at, "%s", e.text);
		return NULL;
	}
	buf_init_secret(&secret, CONFIG_SECRET_MAX);
	if (r->secrets && config_secret_read(text, &secret, &e) != 0) {
		/* the environment and the credentials of a service are not those of a shell */
		if (strncmp(text, "file:", 5) == 0)
			config_error_add(r->errors, &v->at, "%s", e.text);
		else
			config_warning_add(r->errors, &v->at, "%s", e.text);
	}
	return json_new_text(text);
}
