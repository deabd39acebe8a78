/* SPDX-License-Identifier: MIT
 *
 * identifier — what a person typed becomes the one text that everything else compares.
 *
 * Unicode is mapped by libidn2 without its STD3 flag, which drops "_" and "*" silently; so the
 * letters, digits and hyphens are checked here, after the mapping, because mapping can produce
 * any of the others (U+2100 becomes "a/c", a full-width asterisk "*").
 */
#include "acme/identifier.h"

#include "base/mem.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <idn2.h>
#include <string.h>

#define MAX_TYPED 1024 /* bytes; the longest name has 253, Unicode takes a few for each */
#define MAX_NAME  253
#define MAX_LABEL 63

static int refuse(struct err *e, const char *typed, const char *why)
{
	char shown[100];

	text_escape(typed, strlen(typed), shown, sizeof(shown));
	return err_set(e, ERR_CONFIG, "\"%s\" %s", shown, why);
}

/* What people type instead of a name, most telling first. */
static const struct {
	const char *found;
	const char *why;
} mistakes[] = {
	{"://", "is a URL: give the name alone"},
	{"@", "is an e-mail address: give the name alone"},
	{"/", "contains a slash: give the name alone, without a path"},
	{" ", "contains a space: give each name by itself"},
	{",", "contains a comma: give each name by itself"},
	{"_", "contains an underscore, which no name in a certificate may have"},
};

static int check_mistakes(const char *text, const char *typed, struct err *e)
{
	for (const char *p = text; *p != '\0'; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return refuse(e, typed, "contains a control character");
	}
	for (size_t i = 0; i < COUNT_OF(mistakes); i++) {
		if (strstr(text, mistakes[i].found) != NULL)
			return refuse(e, typed, mistakes[i].why);
	}
	return 0;
}

/* The canonical text of an address, or NULL. inet_ntop writes IPv6 as RFC 5952 wants it. */
static char *address_canonical(const char *text)
{
	unsigned char bytes[sizeof(struct in6_addr)];
	char out[INET6_ADDRSTRLEN];
	int family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;

	if (inet_pton(family, text, bytes) != 1)
		return NULL;
	if (inet_ntop(family, bytes, out, sizeof(out)) == NULL)
		return NULL;
	return mem_str(out);
}

/* "[::1]" is how a URL writes what a certificate calls "::1". */
static int bracketed_canonical(const char *typed, char **ret_name, struct err *e)
{
	AUTO_FREE char *inner = NULL;
	AUTO_FREE char *name = NULL;
	const char *end = strchr(typed, ']');

	if (end == NULL)
		return refuse(e, typed, "has a bracket that is not closed");
	if (end[1] == ':')
		return refuse(e, typed, "has a port: give the address alone");
	inner = mem_strn(typed + 1, (size_t)(end - typed) - 1);
	if (end[1] == '\0' && strchr(inner, ':') != NULL)
		name = address_canonical(inner);
	if (name == NULL)
		return refuse(e, typed, "has brackets, but is no IPv6 address");
	*ret_name = TAKE(name);
	return 0;
}

static int refuse_colon(const char *typed, struct err *e)
{
	const char *colon = strchr(typed, ':');

	if (strspn(colon + 1, "0123456789") == strlen(colon + 1))
		return refuse(e, typed, "has a port: give the name alone");
	return refuse(e, typed, "is neither a name nor an IPv6 address");
}

static bool label_is_punycode(const char *label)
{
	return strncasecmp(label, "xn--", 4) == 0;
}

/* libidn2 also judges characters by the Unicode tables it was built with. Where somebody typed
 * A-labels, that judgement is the CA's (names with emoji exist); only the encoding is ours. */
static bool a_labels_tolerable(int r)
{
	return r == IDN2_OK || r == IDN2_DISALLOWED || r == IDN2_UNASSIGNED || r == IDN2_2HYPHEN;
}

static bool text_is_ascii(const char *text)
{
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text >= 0x80)
			return false;
	}
	return true;
}

static bool has_punycode(const char *name)
{
	for (; name != NULL; name = strchr(name, '.')) {
		name += *name == '.';
		if (label_is_punycode(name))
			return true;
	}
	return false;
}

static char *lower_case(const char *text)
{
	char *lower = mem_str(text);

	for (char *p = lower; *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	return lower;
}

/* UTF-8 to A-labels (IDNA2008, UTS 46 non-transitional); ASCII only becomes lower-case. */
static int name_to_ascii(const char *name, const char *typed, char **ret_ascii, struct err *e)
{
	AUTO_FREE char *lower = lower_case(name);
	char *mapped = NULL;
	bool ascii = text_is_ascii(name);
	int r;

	if (ascii && !has_punycode(name)) {
		*ret_ascii = TAKE(lower);
		return 0;
	}
	r = idn2_to_ascii_8z(ascii ? lower : name, &mapped, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT);
	if (r == IDN2_OK)
		*ret_ascii = lower_case(mapped);
	idn2_free(mapped);
	if (r == IDN2_OK)
		return 0;
	if (ascii && a_labels_tolerable(r)) {
		*ret_ascii = TAKE(lower);
		return 0;
	}
	if (r == IDN2_TOO_BIG_LABEL || r == IDN2_PUNYCODE_BIG_OUTPUT)
		return refuse(e, typed, "has a label of more than 63 bytes");
	if (r == IDN2_TOO_BIG_DOMAIN)
		return refuse(e, typed, "is longer than 253 bytes");
	if (r == IDN2_ENCODING_ERROR)
		return refuse(e, typed, "is not UTF-8");
	return refuse(e, typed, "is no internationalised name that a certificate may have");
}

static int check_label(const char *label, size_t len, const char *typed, struct err *e)
{
	if (len == 0)
		return refuse(e, typed, "has an empty label: two dots in a row, or one in front");
	if (len > MAX_LABEL)
		return refuse(e, typed, "has a label of more than 63 bytes");
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)label[i];

		if (c == '*')
			return refuse(e, typed,
				      "has an asterisk that is not its whole first label");
		if (!islower(c) && !isdigit(c) && c != '-')
			return refuse(e, typed,
				      "contains something else than letters, digits and hyphens");
	}
	if (label[0] == '-' || label[len - 1] == '-')
		return refuse(e, typed, "has a label that begins or ends with a hyphen");
	return 0;
}

/* No top-level domain is a number (RFC 3696 2), and browsers read such a name as an address. */
static int check_not_numeric(const char *name, const char *typed, struct err *e)
{
	const char *last = strrchr(name, '.');

	last = last == NULL ? name : last + 1;
	if (strspn(last, "0123456789") != strlen(last))
		return 0;
	if (strspn(name, "0123456789.") == strlen(name))
		return refuse(e, typed, "looks like an IPv4 address, but is none");
	return refuse(e, typed, "ends in a number, which no domain does");
}

/* name: lower-case ASCII without "*." and without a trailing dot. */
static int check_name(const char *name, size_t max, const char *typed, struct err *e)
{
	const char *label = name;
	int r;

	if (*name == '\0')
		return refuse(e, typed, "has no name in it");
	/* Before the loop: typed by somebody, but its length is not yet a name's. */
	for (;;) {
		size_t len = strcspn(label, ".");

		r = check_label(label, len, typed, e);
		if (r != 0)
			return r;
		if (label[len] == '\0')
			break;
		label += len + 1;
	}
	if (strlen(name) > max)
		return refuse(e, typed, "is longer than 253 bytes");
	return check_not_numeric(name, typed, e);
}

static int domain_canonical(const char *typed, char **ret_name, struct err *e)
{
	bool wildcard = strncmp(typed, "*.", 2) == 0;
	AUTO_FREE char *ascii = NULL;
	size_t len;
	int r;

	if (strcmp(typed, "*") == 0)
		return refuse(e, typed, "alone is no name: a wildcard is \"*.\" and a domain");
	r = name_to_ascii(wildcard ? typed + 2 : typed, typed, &ascii, e);
	if (r != 0)
		return r;
	/* Mapping makes dots of their relatives and slashes of U+2100: look again. */
	r = check_mistakes(ascii, typed, e);
	if (r != 0)
		return r;
	len = strlen(ascii);
	if (len > 1 && ascii[len - 1] == '.')
		ascii[len - 1] = '\0';
	r = check_name(ascii, wildcard ? MAX_NAME - 2 : MAX_NAME, typed, e);
	if (r != 0)
		return r;
	*ret_name = wildcard ? mem_printf("*.%s", ascii) : TAKE(ascii);
	return 0;
}

int identifier_canonical(const char *typed, char **ret_name, struct err *e)
{
	char *address;
	int r;

	if (typed == NULL || *typed == '\0')
		return err_set(e, ERR_CONFIG, "a name is empty");
	if (strlen(typed) > MAX_TYPED)
		return refuse(e, typed, "is longer than 253 bytes");
	r = check_mistakes(typed, typed, e);
	if (r != 0)
		return r;
	if (*typed == '[')
		return bracketed_canonical(typed, ret_name, e);
	address = address_canonical(typed);
	if (address != NULL) {
		*ret_name = address;
		return 0;
	}
	if (strchr(typed, ':') != NULL)
		return refuse_colon(typed, e);
	return domain_canonical(typed, ret_name, e);
}

int identifier_list(struct strlist *names, struct err *e)
{
	struct strlist canonical AUTO_STRLIST = {0};

	if (names->count == 0)
		return err_set(e, ERR_CONFIG, "a certificate needs at least one name");
	for (size_t i = 0; i < names->count; i++) {
		AUTO_FREE char *name = NULL;
		int r = identifier_canonical(names->items[i], &name, e);

		if (r != 0)
			return r;
		if (strlist_has(&canonical, name))
			continue;
		if (canonical.count == IDENTIFIER_MAX_NAMES)
			return err_set(e, ERR_CONFIG, "a certificate has at most %d names",
				       IDENTIFIER_MAX_NAMES);
		strlist_add(&canonical, name);
	}
	strlist_copy(names, &canonical);
	return 0;
}

bool identifier_is_wildcard(const char *name)
{
	return strncmp(name, "*.", 2) == 0;
}

bool identifier_is_address(const char *name)
{
	unsigned char bytes[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

const char *identifier_type(const char *name)
{
	return identifier_is_address(name) ? "ip" : "dns";
}

char *identifier_set(const struct strlist *names)
{
	struct strlist sorted AUTO_STRLIST = {0};

	strlist_copy(&sorted, names);
	strlist_sort(&sorted);
	return strlist_join(&sorted, " ");
}
