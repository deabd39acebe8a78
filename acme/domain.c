/* SPDX-License-Identifier: MIT
 *
 * domain — see the header.
 */
#include "acme/domain.h"

#include "acme/identifier.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <libpsl.h>
#include <string.h>

static char *network_of(const char *address)
{
	struct in6_addr in;
	char text[INET6_ADDRSTRLEN] = "";

	if (inet_pton(AF_INET6, address, &in) != 1)
		return mem_str(address);
	memset(in.s6_addr + 8, 0, 8);
	(void)inet_ntop(AF_INET6, &in, text, sizeof(text));
	return mem_printf("%s/64", text);
}

char *domain_registered(const char *name)
{
	const char *domain;

	if (identifier_is_address(name))
		return network_of(name);
	if (identifier_is_wildcard(name))
		name += 2;
	domain = psl_registrable_domain(psl_builtin(), name);
	return mem_str(domain != NULL ? domain : name);
}
