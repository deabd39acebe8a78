/* SPDX-License-Identifier: MIT
 *
 * http_policy — judges what http_new is told, so that a wrong bundle or proxy is a sentence at the
 * start and not a failed handshake at night.
 */
#include "base/http_internal.h"

#include "base/file.h"
#include "base/path.h"

#include <ctype.h>
#include <dirent.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SYSTEM_TRUST     "/etc/ssl/certs"
#define MAX_BUNDLE       (4 * 1024 * 1024)
#define CONNECT_MS       10000
#define TOTAL_MS         60000
#define PEM_CERTIFICATE  "-----BEGIN CERTIFICATE-----"
#define PEM_CERTIFICATE2 "-----BEGIN TRUSTED CERTIFICATE-----"

/* "5ed36f99.0": how OpenSSL looks a certificate up in a directory. */
static bool is_hash_name(const char *name)
{
	size_t digits = strspn(name, "0123456789abcdef");

	return digits == 8 && name[8] == '.' && isdigit((unsigned char)name[9]);
}

static bool has_hash_names(const char *directory)
{
	DIR *d = opendir(directory);
	const struct dirent *entry = NULL;
	bool found = false;

	if (d == NULL)
		return false;
	while (!found && (entry = readdir(d)) != NULL)
		found = is_hash_name(entry->d_name);
	closedir(d);
	return found;
}

static int check_bundle_file(const char *path, struct err *e)
{
	struct buf pem AUTO_BUF = {0};
	int r;

	buf_init(&pem, MAX_BUNDLE);
	r = file_read_judged(path, S_IWGRP | S_IWOTH, &pem, e); /* who can change it is the CA */
	if (r != 0)
		return err_while(e, "reading the trusted CA certificates");
	if (memmem(pem.data, pem.len, PEM_CERTIFICATE, strlen(PEM_CERTIFICATE)) == NULL &&
	    memmem(pem.data, pem.len, PEM_CERTIFICATE2, strlen(PEM_CERTIFICATE2)) == NULL)
		return err_set(e, ERR_CONFIG, "%s holds no PEM certificate to trust", path);
	return 0;
}

static bool is_directory(const char *path)
{
	struct stat s;

	return stat(path, &s) == 0 && S_ISDIR(s.st_mode);
}

int http_check_bundle(const char *bundle, struct err *e)
{
	const struct path_rule rule = {.cannot = "cannot use", .refused = "is not trusted"};
	int fd AUTO_FD = -1;
	int r;

	if (!is_directory(bundle))
		return check_bundle_file(bundle, e);
	r = path_open_folder(bundle, &rule, &fd, e);
	if (r != 0)
		return err_while(e, "reading the trusted CA certificates");
	if (!has_hash_names(bundle))
		return err_set(e, ERR_CONFIG,
			       "%s has no certificate under its hash: run 'openssl rehash %s'",
			       bundle, bundle);
	return 0;
}

/* The system's trust by its hash directory: one certificate is parsed for a connection instead of
 * some 140, which is most of the CPU time an issuance costs. */
static int trust_apply(struct http *h, const char *bundle, struct err *e)
{
	int r;

	if (bundle == NULL) {
		if (has_hash_names(SYSTEM_TRUST))
			h->ca_directory = mem_str(SYSTEM_TRUST);
		return 0;
	}
	r = http_check_bundle(bundle, e);
	if (r == 0)
		*(is_directory(bundle) ? &h->ca_directory : &h->ca_file) = mem_str(bundle);
	return r;
}

/* The URL may hold a password, so no sentence repeats it. */
static int proxy_apply(struct http *h, const char *proxy, struct err *e)
{
	static const char *const schemes[] = {"http",    "https",  "socks4",
					      "socks4a", "socks5", "socks5h"};
	CURLU *u = NULL;
	char *scheme = NULL;
	bool known = false;

	h->proxy = mem_str(proxy != NULL ? proxy : "");
	if (proxy == NULL)
		return 0;
	u = curl_url();
	if (u != NULL && curl_url_set(u, CURLUPART_URL, proxy, CURLU_NON_SUPPORT_SCHEME) == 0 &&
	    curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == 0)
		for (size_t i = 0; i < COUNT_OF(schemes); i++)
			known = known || strcmp(scheme, schemes[i]) == 0;
	curl_free(scheme);
	curl_url_cleanup(u);
	if (!known)
		return err_set(e, ERR_CONFIG,
			       "the proxy is no URL that can be used: write http://HOST:PORT, "
			       "https://HOST:PORT or socks5h://HOST:PORT");
	return 0;
}

static char *take_part(CURLU *u, CURLUPart part, unsigned flags)
{
	char *text = NULL;
	char *copy = NULL;

	if (curl_url_get(u, part, &text, flags) == 0)
		copy = mem_str(text);
	curl_free(text);
	return copy;
}

int http_place_parse(const char *url, struct http_place *ret_place)
{
	struct http_place p = {0};
	CURLU *u = curl_url();
	size_t len;

	if (u == NULL)
		abort();
	if (curl_url_set(u, CURLUPART_URL, url, CURLU_PATH_AS_IS | CURLU_DISALLOW_USER) == 0) {
		p.scheme = take_part(u, CURLUPART_SCHEME, 0);
		p.host = take_part(u, CURLUPART_HOST, 0);
		p.port = take_part(u, CURLUPART_PORT, CURLU_DEFAULT_PORT);
	}
	curl_url_cleanup(u);
	if (p.scheme == NULL || p.host == NULL || p.port == NULL) {
		http_place_clear(&p);
		return -1;
	}
	len = strlen(p.host);
	if (len > 2 && p.host[0] == '[') {
		p.host[len - 1] = '\0';
		memmove(p.host, p.host + 1, len - 1);
	}
	*ret_place = p;
	return 0;
}

void http_place_clear(struct http_place *p)
{
	free(p->scheme);
	free(p->host);
	free(p->port);
	*p = (struct http_place){0};
}

bool http_reaches(const struct http *h, enum http_address class)
{
	return class != HTTP_REFUSED && (h->reach & 1U << class) != 0;
}

/* The operator named this host, so where it lies is allowed. Behind a proxy names
 * are not ours to resolve, and only an address in the URL counts. When the name does not resolve
 * yet (a daemon that started before the network), its own connections teach us later. */
static int reach_learn(struct http *h, const char *url, struct err *e)
{
	struct http_place p = {0};
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *all = NULL;

	if (http_place_parse(url, &p) != 0)
		return err_set(e, ERR_CONFIG, "%s is not a URL that can be used", url);
	if (h->proxy[0] != '\0')
		hints.ai_flags = AI_NUMERICHOST;
	if (getaddrinfo(p.host, NULL, &hints, &all) == 0) {
		for (const struct addrinfo *a = all; a != NULL; a = a->ai_next)
			h->reach |= 1U << http_address_class(a->ai_addr);
		freeaddrinfo(all);
	} else {
		h->unresolved_host = TAKE(p.host);
	}
	http_place_clear(&p);
	return 0;
}

int http_policy_apply(struct http *h, const struct http_policy *policy, struct err *e)
{
	int r;

	h->https_only = policy->https_only;
	h->user_agent = mem_str(policy->user_agent);
	h->connect_ms = policy->connect_ms > 0 ? policy->connect_ms : CONNECT_MS;
	h->total_ms = policy->total_ms > 0 ? policy->total_ms : TOTAL_MS;
	for (unsigned bit = HTTP_PUBLIC; bit <= (unsigned)policy->reach; bit++)
		h->reach |= 1U << bit;

	r = trust_apply(h, policy->ca_bundle, e);
	if (r != 0)
		return r;
	r = proxy_apply(h, policy->proxy, e);
	if (r != 0 || !policy->reach_from_url || policy->reach_url == NULL)
		return r;
	return reach_learn(h, policy->reach_url, e);
}
