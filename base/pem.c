/* SPDX-License-Identifier: MIT
 *
 * pem — see the header. Only the label of a foreign block is ever quoted.
 */
#include "base/pem.h"

#include "base/base64url.h"
#include "base/mem.h"

#include <string.h>

#define MAX_LABEL 40 /* bytes of a foreign block's label that we quote */

static const char block_begin[] = "-----BEGIN CERTIFICATE-----";
static const char block_end[] = "-----END CERTIFICATE-----";

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool pem_more(struct pem *p)
{
	while (p->at < p->end && is_space(*p->at))
		p->at++;
	return p->at < p->end;
}

static bool pem_sees(const char *at, const char *end, const char *text)
{
	size_t len = strlen(text);

	return (size_t)(end - at) >= len && memcmp(at, text, len) == 0;
}

/* The label is quoted, never the content: the block may be somebody's private key. */
static int pem_refuse(const struct pem *p, struct err *e)
{
	static const char begin[] = "-----BEGIN ";
	const char *label, *stop;

	if (pem_sees(p->at, p->end, block_begin))
		return err_set(e, ERR_PROTOCOL,
			       "certificate %zu of the chain has no line of its own to begin with",
			       p->block);
	if (!pem_sees(p->at, p->end, begin))
		return err_set(e, ERR_PROTOCOL,
			       "the certificate chain has something else than a PEM block where "
			       "block %zu should begin",
			       p->block);
	label = p->at + strlen(begin);
	stop = memchr(label, '-', (size_t)(p->end - label));
	if (stop == NULL || stop - label > MAX_LABEL)
		return err_set(e, ERR_PROTOCOL,
			       "block %zu of the certificate chain has no readable label",
			       p->block);
	return err_set(
		e, ERR_PROTOCOL,
		"block %zu of the certificate chain is labelled %.*s, only CERTIFICATE is allowed",
		p->block, (int)(stop - label), label);
}

/* Yields the base64 text of the block at s and moves behind it. Each byte is looked at once, so a
 * hostile text costs no more than its length. */
static int pem_block(struct pem *p, const char **ret_text, size_t *ret_len, struct err *e)
{
	const char *text, *stop, *next;

	if (!pem_sees(p->at, p->end, block_begin))
		return pem_refuse(p, e);
	text = p->at + strlen(block_begin);
	if (text == p->end || !is_space(*text))
		return pem_refuse(p, e);
	stop = memchr(text, '-', (size_t)(p->end - text));
	if (stop == NULL || !pem_sees(stop, p->end, block_end) || !is_space(stop[-1]))
		return err_set(e, ERR_PROTOCOL,
			       "certificate %zu of the chain is cut off or damaged", p->block);
	next = stop + strlen(block_end);
	if (next < p->end && !is_space(*next))
		return err_set(e, ERR_PROTOCOL,
			       "certificate %zu of the chain is followed by something else",
			       p->block);
	p->at = next;
	*ret_text = text;
	*ret_len = (size_t)(stop - text);
	return 0;
}

/* base64 with line breaks (RFC 7468 3), by way of the strict base64url decoder. */
static int block_decode(const char *text, size_t len, struct buf *der)
{
	AUTO_FREE char *plain = mem_new(len + 1);
	size_t n = 0;
	size_t padding = 0;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (is_space(c))
			continue;
		if (c == '=') {
			padding++;
			continue;
		}
		if (padding > 0 || c == '-' || c == '_')
			return -1;
		if (c == '+')
			c = '-';
		else if (c == '/')
			c = '_';
		plain[n++] = c;
	}
	if (padding > 2 || (n + padding) % 4 != 0)
		return -1;
	return base64url_decode(plain, n, der);
}

int pem_read(struct pem *p, struct buf *der, struct err *e)
{
	const char *text = NULL;
	size_t len = 0;
	int r;

	p->block++;
	r = pem_block(p, &text, &len, e);
	if (r != 0)
		return r;
	if (block_decode(text, len, der) != 0)
		return err_set(e, ERR_PROTOCOL,
			       "certificate %zu of the chain is no base64, or above %zu KiB",
			       p->block, der->limit / 1024);
	return 0;
}
