/* SPDX-License-Identifier: MIT
 *
 * http_address — which class an address is of (IANA special-purpose registries, RFC 6890).
 *
 * The gate against a CA that sends us to our own neighbours: what is not known to be an ordinary
 * destination is refused. IPv6 forms that carry an IPv4 address are judged by the address inside.
 */
#include "base/http.h"

#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

struct range {
	uint8_t prefix[16];
	unsigned bits;
	enum http_address class;
};

/* The first row that fits decides. */
static const struct range v4_ranges[] = {
	{{0}, 8, HTTP_REFUSED},                   /* this network */
	{{10}, 8, HTTP_PRIVATE},                  /* RFC 1918 */
	{{100, 100, 100, 200}, 32, HTTP_REFUSED}, /* a cloud's metadata inside 100.64/10 */
	{{100, 64}, 10, HTTP_PRIVATE},            /* RFC 6598 */
	{{127}, 8, HTTP_LOOPBACK},                /* RFC 1122 */
	{{168, 63, 129, 16}, 32, HTTP_REFUSED},   /* a cloud's host agent on a public address */
	{{169, 254}, 16, HTTP_REFUSED},           /* link-local and metadata */
	{{172, 16}, 12, HTTP_PRIVATE},            /* RFC 1918 */
	{{192, 0, 0}, 24, HTTP_REFUSED},          /* protocol assignments, a cloud's metadata */
	{{192, 0, 2}, 24, HTTP_REFUSED},          /* documentation */
	{{192, 88, 99}, 24, HTTP_REFUSED},        /* former 6to4 relays */
	{{192, 168}, 16, HTTP_PRIVATE},           /* RFC 1918 */
	{{198, 18}, 15, HTTP_PRIVATE},            /* benchmarks, used like RFC 1918 */
	{{198, 51, 100}, 24, HTTP_REFUSED},       /* documentation */
	{{203, 0, 113}, 24, HTTP_REFUSED},        /* documentation */
	{{224}, 3, HTTP_REFUSED},                 /* multicast, reserved, broadcast */
	{{0}, 0, HTTP_PUBLIC},
};

static const struct range v6_ranges[] = {
	{{[15] = 1}, 128, HTTP_LOOPBACK},
	{{0xfd, 0x00, 0x0e, 0xc2}, 32, HTTP_REFUSED},       /* a cloud's metadata */
	{{0xfc}, 7, HTTP_PRIVATE},                          /* RFC 4193 */
	{{0xfe, 0xc0}, 10, HTTP_PRIVATE},                   /* former site-local */
	{{0x00, 0x64, 0xff, 0x9b, 0, 1}, 48, HTTP_PRIVATE}, /* RFC 8215, a local translator */
	{{0x20, 0x01, 0x0d, 0xb8}, 32, HTTP_REFUSED},       /* documentation */
	{{0x20, 0x01, 0x00, 0x00}, 32, HTTP_REFUSED},       /* Teredo */
	{{0x3f, 0xff}, 20, HTTP_REFUSED},                   /* documentation, RFC 9637 */
	{{0x20}, 3, HTTP_PUBLIC},                           /* 2000::/3, all that is assigned */
	{{0}, 0, HTTP_REFUSED}, /* link-local, multicast, ::, discard … */
};

/* Prefixes after which four bytes of IPv4 follow. */
static const struct range v4_inside[] = {
	{{[10] = 0xff, [11] = 0xff}, 96, HTTP_PUBLIC}, /* v4-mapped */
	{{0x00, 0x64, 0xff, 0x9b}, 96, HTTP_PUBLIC},   /* NAT64, RFC 6052 */
	{{0x20, 0x02}, 16, HTTP_PUBLIC},               /* 6to4 */
};

static bool range_has(const struct range *r, const uint8_t *address)
{
	unsigned bytes = r->bits / 8;
	unsigned rest = r->bits % 8;

	if (memcmp(r->prefix, address, bytes) != 0)
		return false;
	return rest == 0 || (r->prefix[bytes] ^ address[bytes]) >> (8 - rest) == 0;
}

static enum http_address first_of(const struct range *ranges, size_t count, const uint8_t *address)
{
	for (size_t i = 0; i < count; i++)
		if (range_has(&ranges[i], address))
			return ranges[i].class;
	return HTTP_REFUSED;
}

static enum http_address v4_class(const uint8_t address[4])
{
	return first_of(v4_ranges, COUNT_OF(v4_ranges), address);
}

static enum http_address v6_class(const uint8_t address[16])
{
	for (size_t i = 0; i < COUNT_OF(v4_inside); i++)
		if (range_has(&v4_inside[i], address))
			return v4_class(address + v4_inside[i].bits / 8);
	return first_of(v6_ranges, COUNT_OF(v6_ranges), address);
}

enum http_address http_address_class(const struct sockaddr *address)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	switch (address->sa_family) {
	case AF_INET:
		memcpy(&v4, address, sizeof(v4));
		return v4_class((const uint8_t *)&v4.sin_addr);
	case AF_INET6:
		memcpy(&v6, address, sizeof(v6));
		return v6_class(v6.sin6_addr.s6_addr);
	default:
		return HTTP_REFUSED;
	}
}
