/* SPDX-License-Identifier: MIT
 *
 * secret — see secret.h. The only place that resolves a reference.
 */
#include "agent/config/secret.h"

#include "base/file.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FORBIDDEN (S_IROTH | S_IWOTH | S_IWGRP)

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";

/* What follows the prefix; NULL: another prefix. */
static const char *after(const char *reference, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(reference, prefix, len) == 0 ? reference + len : NULL;
}

int config_secret_check(const char *reference, struct err *e)
{
	const char *path = after(reference, "file:");
	const char *variable = after(reference, "env:");
	const char *credential = after(reference, "cred:");

	if (path != NULL && path[0] != '/')
		return err_set(e, ERR_CONFIG, "after file: stands a full path, starting with /");
	if (variable != NULL &&
	    (variable[0] == '\0' || strspn(variable, letters) != strlen(variable)))
		return err_set(e, ERR_CONFIG,
			       "after env: stands the name of a variable: letters, digits and _");
	if (credential != NULL &&
	    (credential[0] == '\0' || credential[0] == '.' || strchr(credential, '/') != NULL))
		return err_set(e, ERR_CONFIG,
			       "after cred: stands the name of a credential, without / and not "
			       "beginning with a full stop");
	if (path == NULL && variable == NULL && credential == NULL)
		return err_set(e, ERR_CONFIG,
			       "a secret does not stand here itself: write file:/path, env:NAME "
			       "or cred:NAME (a credential of systemd's)");
	return 0;
}

static int read_file(const char *path, struct buf *secret, struct err *e)
{
	int r = file_read_judged(path, FORBIDDEN, secret, e);

	if (r == 0 && secret->len > 0 && secret->data[secret->len - 1] == '\n')
		secret->data[--secret->len] = '\0';
	return r;
}

static int read_variable(const char *name, struct buf *secret, struct err *e)
{
	const char *value = getenv(name);

	if (value == NULL)
		return err_set(e, ERR_CONFIG, "%s is not in the environment", name);
	if (buf_add_text(secret, value) != 0)
		return err_set(e, ERR_CONFIG, "the secret in %s is too large", name);
	return 0;
}

static int read_credential(const char *name, struct buf *secret, struct err *e)
{
	const char *directory = getenv("CREDENTIALS_DIRECTORY");
	AUTO_FREE char *path = NULL;

	if (directory == NULL || directory[0] != '/')
		return err_set(e, ERR_CONFIG,
			       "the credential %s is there only for a service of systemd's", name);
	path = mem_printf("%s/%s", directory, name);
	return read_file(path, secret, e);
}

int config_secret_read(const char *reference, struct buf *secret, struct err *e)
{
	struct buf value AUTO_BUF = {0};
	int r;

	buf_init_secret(&value, CONFIG_SECRET_MAX);
	r = config_secret_check(reference, e);
	if (r != 0)
		return r;
	if (after(reference, "file:") != NULL)
		r = read_file(after(reference, "file:"), &value, e);
	else if (after(reference, "env:") != NULL)
		r = read_variable(after(reference, "env:"), &value, e);
	else
		r = read_credential(after(reference, "cred:"), &value, e);
	if (r != 0)
		return r;
	if (value.len == 0)
		return err_set(e, ERR_CONFIG, "the secret %s is empty", reference);
	if (buf_add(secret, value.data, value.len) != 0)
		return err_set(e, ERR_BUG, "the buffer for the secret %s is too small", reference);
	return 0;
}
