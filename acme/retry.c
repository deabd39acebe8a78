/* SPDX-License-Identifier: MIT
 *
 * retry — one table from the CA's words to what the caller can do, one from them to a hint for
 * the operator, and the arithmetic of waiting. Pure: the time is an argument.
 */
#include "acme/retry.h"

#include "acme/types.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/text.h"
#include "base/url.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define DAY     86400
#define LONGEST (31 * DAY)

#define CLOCK_STEP 300 /* a clock may be set right by so much */

#define MAX_HEAD          (32 * 1024)
#define MAX_SHOWN_URL     200
#define MAX_SHOWN_DETAILS 8

static int64_t clamp(int64_t seconds, int64_t most)
{
	if (seconds < 1)
		return 1;
	return seconds > most ? most : seconds;
}

/* 'a' stands for a letter, '0' for a digit, '_' for a digit or a space, the rest for itself. */
static bool shape_fits(const char *text, const char *shape)
{
	for (; *shape != '\0'; shape++, text++) {
		unsigned char c = (unsigned char)*text;
		bool fits = c == (unsigned char)*shape;

		if (*shape == 'a')
			fits = isalpha(c);
		else if (*shape == '0')
			fits = isdigit(c);
		else if (*shape == '_')
			fits = isdigit(c) || c == ' ';
		if (!fits)
			return false;
	}
	return *text == '\0';
}

/* 1 … 12, or 0. */
static int month_number(const char *name)
{
	static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
					     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

	for (int i = 0; i < (int)COUNT_OF(months); i++) {
		if (strncmp(name, months[i], 3) == 0)
			return i + 1;
	}
	return 0;
}

static int number2(const char *digits)
{
	int tens = digits[0] == ' ' ? 0 : digits[0] - '0';

	return tens * 10 + digits[1] - '0';
}

struct date {
	int year;
	int month;
	int day;
	const char *time; /* "hh:mm:ss", borrowed */
};

static bool date_seconds(const struct date *d, int64_t *ret_when)
{
	char text[48];

	snprintf(text, sizeof(text), "%04d-%02d-%02dT%.8sZ", d->year, d->month, d->day, d->time);
	return clock_parse(text, ret_when);
}

/* RFC 9110 5.6.7: two digits that seem more than 50 years ahead are of the past century. */
static int year_of_two_digits(int digits, int64_t now)
{
	char text[CLOCK_TEXT_SIZE];
	int current;

	clock_format(now, text);
	current = number2(text) * 100 + number2(text + 2);
	if (current - current % 100 + digits > current + 50)
		return current - current % 100 + digits - 100;
	return current - current % 100 + digits;
}

bool retry_date_parse(const char *text, int64_t now, int64_t *ret_when)
{
	const char *comma;
	struct date d;

	if (text == NULL)
		return false;
	comma = strchr(text, ',');

	if (comma != NULL && shape_fits(comma, ", 00 aaa 0000 00:00:00 GMT")) {
		const char *p = comma + 2;

		d = (struct date){number2(p + 7) * 100 + number2(p + 9), month_number(p + 3),
				  number2(p), p + 12};
	} else if (comma != NULL && shape_fits(comma, ", 00-aaa-00 00:00:00 GMT")) {
		const char *p = comma + 2;

		d = (struct date){year_of_two_digits(number2(p + 7), now), month_number(p + 3),
				  number2(p), p + 10};
	} else if (shape_fits(text, "aaa aaa _0 00:00:00 0000")) {
		d = (struct date){number2(text + 20) * 100 + number2(text + 22),
				  month_number(text + 4), number2(text + 8), text + 11};
	} else {
		return false;
	}
	return date_seconds(&d, ret_when);
}

/* Digits only; saturates, because "very long" is no error. */
static bool seconds_parse(const char *text, int64_t *ret_seconds)
{
	int64_t seconds = 0;

	if (*text == '\0' || strspn(text, "0123456789") != strlen(text))
		return false;
	for (; *text != '\0'; text++) {
		if (seconds <= LONGEST)
			seconds = seconds * 10 + (*text - '0');
	}
	*ret_seconds = seconds;
	return true;
}

int64_t retry_after_parse(const char *header, int64_t now)
{
	char text[64];
	int64_t value;
	size_t len;

	if (header == NULL)
		return 0;
	header += strspn(header, " \t");
	len = strlen(header);
	while (len > 0 && (header[len - 1] == ' ' || header[len - 1] == '\t'))
		len--;
	if (len >= sizeof(text))
		return strspn(header, "0123456789") >= len ? LONGEST : 0;
	memcpy(text, header, len);
	text[len] = '\0';
	if (seconds_parse(text, &value))
		return clamp(value, LONGEST);
	if (retry_date_parse(text, now, &value))
		return clamp(value - now, LONGEST);
	return 0;
}

int64_t retry_after_poll(int64_t retry_after)
{
	return retry_after > DAY ? DAY : retry_after;
}

/* status 0: any; IN_OBJECT: only inside a challenge or an order, where the CA speaks of what it
 * saw and not of our request. The first row that fits counts. */
#define ANY       (-1)
#define IN_OBJECT 0

static const struct {
	const char *type;
	int status;
	enum retry_class class;
} classes[] = {
	{"badNonce", ANY, RETRY_NONCE},
	{"serverInternal", ANY, RETRY_LATER},
	{"rateLimited", ANY, RETRY_WAIT},
	{"orderNotReady", ANY, RETRY_READ_ORDER},
	{"badCSR", ANY, RETRY_NEW_ORDER},
	{"connection", ANY, RETRY_CHALLENGE},
	{"dns", ANY, RETRY_CHALLENGE},
	{"tls", ANY, RETRY_CHALLENGE},
	{"incorrectResponse", ANY, RETRY_CHALLENGE},
	{"unauthorized", IN_OBJECT, RETRY_CHALLENGE}, /* RFC 8555 8.3: a wrong answer was fetched */
	{"unauthorized", ANY, RETRY_CONFIG},
	{"conflict", ANY, RETRY_CONFLICT},
	{"malformed", 409, RETRY_CONFLICT}, /* RFC 8555 7.3.5 names the status, but no type */
	{"malformed", ANY, RETRY_CONFIG},
	{"caa", ANY, RETRY_CONFIG},
	{"rejectedIdentifier", ANY, RETRY_CONFIG},
	{"unsupportedIdentifier", ANY, RETRY_CONFIG},
	{"invalidContact", ANY, RETRY_CONFIG},
	{"unsupportedContact", ANY, RETRY_CONFIG},
	{"invalidProfile", ANY, RETRY_CONFIG},
	{"externalAccountRequired", ANY, RETRY_CONFIG},
	{"badPublicKey", ANY, RETRY_CONFIG},
	{"badSignatureAlgorithm", ANY, RETRY_CONFIG}, /* never answered by a weaker one */
	{"badRevocationReason", ANY, RETRY_CONFIG},
	{"accountDoesNotExist", ANY, RETRY_ACCOUNT},
	{"userActionRequired", ANY, RETRY_OPERATOR},
	{"alreadyRevoked", ANY, RETRY_DONE},
	{"alreadyReplaced", ANY, RETRY_WITHOUT_REPLACES},
};

static enum retry_class classify_type(const struct acme_problem *p)
{
	for (size_t i = 0; i < COUNT_OF(classes); i++) {
		if (acme_problem_is(p, classes[i].type) &&
		    (classes[i].status == ANY || classes[i].status == p->status))
			return classes[i].class;
	}
	if (p->status == 408 || p->status == 429 || p->status >= 500)
		return RETRY_LATER;
	return RETRY_CONFIG;
}

enum retry_class retry_classify(const struct acme_problem *p, int64_t retry_after)
{
	enum retry_class class = classify_type(p);

	/* A load balancer's 503 names no type, but a time. */
	if (class == RETRY_LATER && retry_after > 0)
		return RETRY_WAIT;
	return class;
}

bool retry_doubts_account(const struct acme_problem *p, int64_t retry_after)
{
	bool vague = *p->type == '\0' || acme_problem_is(p, "malformed") ||
		     acme_problem_is(p, "serverInternal");

	if (p->status == IN_OBJECT)
		return false;
	if (acme_problem_is(p, "accountDoesNotExist"))
		return true;
	if (retry_after > 0)
		return false;
	if (vague)
		return p->status == 400 || p->status == 401 || p->status == 403 ||
		       p->status == 404 || p->status == 500;
	return acme_problem_is(p, "unauthorized");
}

bool retry_ends_lookup(const struct acme_problem *p, int64_t retry_after)
{
	switch (retry_classify(p, retry_after)) {
	case RETRY_NONCE:
	case RETRY_WAIT:
	case RETRY_OPERATOR:
		return false;
	case RETRY_LATER: /* 500: some CAs stumble over a key that they do not know */
		return p->status <= 500 && p->status != 408 && p->status != 429;
	default:
		return true;
	}
}

/* What to look at, for types where the CA's own words seldom say it. */
static const struct {
	const char *type;
	int status;
	const char *mention; /* has to be in the detail; NULL: nothing */
	const char *hint;
} hints[] = {
	{"dns", ANY, "NXDOMAIN",
	 "the name does not exist in DNS: add an A or AAAA record, or take the name out"},
	{"connection", ANY, "::",
	 "the CA went to the name's IPv6 address: listen there, or take the AAAA record away"},
	{"rateLimited", ANY, "unpause",
	 "the CA paused the name after many failures: visit that page once the cause is mended"},
	{"unauthorized", IN_OBJECT, NULL,
	 "the CA fetched something else than our answer: does the name lead to this machine?"},
	{"unauthorized", ANY, "deactivated",
	 "the account is deactivated at the CA: everleaf account register --new makes another"},
	{"unauthorized", ANY, "has status",
	 "the CA has closed the account: everleaf account register --new makes another"},
	{"unauthorized", ANY, "profile",
	 "this account may not use that profile: choose another \"profile\" in the configuration"},
	{"unauthorized", ANY, NULL, "the account may not do this"},
	{"incorrectResponse", ANY, NULL,
	 "the CA fetched something else than our answer: does the name lead to this machine?"},
	{"connection", ANY, NULL,
	 "the CA could not connect: look at the name's address records, firewall and port"},
	{"dns", ANY, NULL,
	 "the CA could not resolve the name: look at its DNS records and name servers"},
	{"tls", ANY, NULL,
	 "the CA's TLS connection failed: something else answers on the TLS port"},
	{"caa", ANY, NULL,
	 "a CAA record of the domain forbids it: it names another CA, or its accounturi or "
	 "validationmethods leave out this account or this challenge; change the record or the CA"},
	{"rejectedIdentifier", ANY, "rofile",
	 "this profile is not for that kind of name: choose a \"profile\" that the CA has for it "
	 "(for "
	 "IP addresses Let's Encrypt has shortlived)"},
	{"rejectedIdentifier", ANY, NULL, "this CA issues no certificate for that name"},
	{"unsupportedIdentifier", ANY, NULL, "this CA does not support that kind of name"},
	{"userActionRequired", ANY, NULL, "nothing is tried again before you acted"},
	{"accountDoesNotExist", ANY, NULL, "this CA does not know the account key: register again"},
	{"externalAccountRequired", ANY, NULL,
	 "this CA wants a key id and MAC key from its web site"},
	{"badCSR", ANY, NULL, "the CA does not like the key or the names of the request"},
	{"badPublicKey", ANY, NULL, "the CA does not accept this key: choose another kind"},
	{"badSignatureAlgorithm", ANY, NULL,
	 "the CA does not accept this key: choose another kind"},
	{"invalidContact", ANY, NULL, "correct the contact address"},
	{"unsupportedContact", ANY, NULL, "give a contact of the form mailto:you@example.org"},
	{"invalidProfile", ANY, NULL, "choose a profile that the CA's directory lists"},
	{"malformed", ANY, "more than",
	 "the certificate has more names than the CA or its profile allows: give it fewer, or "
	 "another \"profile\""},
	{"malformed", 404, NULL, "there is nothing at that URL: is the server URL right?"},
	{"malformed", 405, NULL, "there is nothing at that URL: is the server URL right?"},
};

static const char *hint_find(const struct acme_problem *p)
{
	for (size_t i = 0; i < COUNT_OF(hints); i++) {
		if (acme_problem_is(p, hints[i].type) &&
		    (hints[i].status == ANY || hints[i].status == p->status) &&
		    (hints[i].mention == NULL ||
		     (p->detail != NULL && strstr(p->detail, hints[i].mention) != NULL)))
			return hints[i].hint;
	}
	return NULL;
}

static enum err_code class_code(const struct acme_problem *p, int64_t retry_after)
{
	switch (retry_classify(p, retry_after)) {
	case RETRY_LATER:
	case RETRY_NONCE:
		return ERR_NET;
	case RETRY_WAIT:
		/* Without a time to wait for, the caller's own back-off has to do. */
		return retry_after > 0 ? ERR_BUSY : ERR_NET;
	case RETRY_CONFIG:
		/* A refusal that is no problem document did not come from an ACME server. */
		return *p->type == '\0' ? ERR_PROTOCOL : ERR_CONFIG;
	case RETRY_ACCOUNT:
	case RETRY_OPERATOR:
		return ERR_CONFIG;
	case RETRY_READ_ORDER:
	case RETRY_NEW_ORDER:
	case RETRY_CHALLENGE:
	case RETRY_DONE:
	case RETRY_WITHOUT_REPLACES:
	case RETRY_CONFLICT:
	case RETRY_CLASSES:
		break;
	}
	return ERR_PROBLEM;
}

/* Only a limit may take longer than a day to have room again. */
static int64_t busy_seconds(const struct acme_problem *p, int64_t retry_after)
{
	bool limited = p->status == 429 || acme_problem_is(p, "rateLimited");

	return limited ? retry_after : retry_after_poll(retry_after);
}

static void head_write(const struct acme_problem *p, struct buf *head)
{
	bool detail = p->detail != NULL && *p->detail != '\0';

	(void)buf_printf(head, "the CA says: %s", detail ? p->detail : "no more than this");
	if (*p->type != '\0')
		(void)buf_printf(head, " (%s)", p->type);
	else if (p->status != 0)
		(void)buf_printf(head, " (HTTP status %d)", p->status);
	for (size_t i = 0; i < p->subproblem_count && i < MAX_SHOWN_DETAILS; i++) {
		const struct acme_subproblem *sub = &p->subproblems[i];

		(void)buf_printf(head, "; %s: %s", sub->identifier != NULL ? sub->identifier : "",
				 sub->detail != NULL ? sub->detail : "refused");
		if (*sub->type != '\0')
			(void)buf_printf(head, " (%s)", sub->type);
	}
}

/* Written apart from the CA's words, so that a long detail cannot push it out of the text. */
static void tail_write(const struct acme_problem *p, int64_t retry_at, struct buf *tail)
{
	const char *hint = hint_find(p);
	char when[CLOCK_TEXT_SIZE];

	if (retry_at != 0)
		(void)buf_printf(tail, "; again after %s", clock_format(retry_at, when));
	if (hint != NULL)
		(void)buf_printf(tail, "; %s", hint);
	if (p->instance != NULL && strlen(p->instance) <= MAX_SHOWN_URL &&
	    url_check_https(p->instance, NULL) == 0)
		(void)buf_printf(tail, "; see %s", p->instance);
}

int retry_error(const struct acme_problem *p, int64_t retry_after, int64_t now, struct err *e)
{
	enum err_code code = class_code(p, retry_after);
	struct buf head AUTO_BUF = {0};
	struct buf tail AUTO_BUF = {0};
	int64_t retry_at = code == ERR_BUSY ? now + busy_seconds(p, retry_after) : 0;
	char shown[sizeof(e->text)];

	buf_init(&head, MAX_HEAD);
	buf_init(&tail, sizeof(shown) / 2 + MAX_SHOWN_URL);
	head_write(p, &head);
	tail_write(p, retry_at, &tail);
	text_escape(head.data, head.len, shown, sizeof(shown) - tail.len);
	err_set(e, code, "%s%s", shown, tail.data);
	if (e == NULL)
		return code;
	e->retry_at = retry_at;
	snprintf(e->type, sizeof(e->type), "%s", p->type);
	return code;
}

int64_t retry_backoff(int64_t failures, uint32_t spread)
{
	static const int64_t first[] = {60, 600, 6000};
	int64_t wait = DAY;

	if (failures < 1)
		failures = 1;
	if (failures <= (int64_t)COUNT_OF(first))
		wait = first[failures - 1];
	return wait + wait / 4 * (int64_t)spread / (int64_t)UINT32_MAX;
}

/* What was written at a time that has not been was written by a wrong clock. */
int64_t retry_until(const struct retry_wait *w, int64_t now)
{
	bool told = w->retry_at != 0 && w->next_at == w->retry_at &&
		    w->error_at <= now + CLOCK_STEP && w->retry_at - w->error_at <= LONGEST;

	return told || !clock_beyond(w->next_at, now) ? w->next_at : 0;
}

int64_t retry_poll_ms(int polls, int hinted)
{
	static const int64_t first[] = {200, 200, 500, 1000, 2000, 4000};

	if (polls <= 0)
		return hinted ? 20 : first[0];
	if (polls >= (int)COUNT_OF(first))
		return 5000;
	return first[polls];
}
