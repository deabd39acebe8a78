/* SPDX-License-Identifier: MIT
 *
 * domain — what somebody registered: CAs count by it. The only door to libpsl.
 */
#ifndef ACME_DOMAIN_H
#define ACME_DOMAIN_H

/* For a canonical name: the domain directly below its public suffix ("www.example.co.uk" and
 * "*.example.co.uk": "example.co.uk"), or the name itself when it is a suffix; an IPv4 address as
 * it is; of an IPv6 address its /64. The list is the one that libpsl was built with. The caller
 * frees. */
char *domain_registered(const char *name);

#endif
