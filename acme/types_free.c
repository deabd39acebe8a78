/* SPDX-License-Identifier: MIT
 *
 * types_free — gives back what the parsers of RFC 8555's objects made; half-built ones too.
 */
#include "acme/types.h"

#include <stdlib.h>

void acme_directory_free(struct acme_directory *d)
{
	if (d == NULL)
		return;
	free(d->new_nonce);
	free(d->new_account);
	free(d->new_order);
	free(d->revoke_cert);
	free(d->key_change);
	free(d->renewal_info);
	free(d->terms_of_service);
	strlist_clear(&d->profiles);
	free(d);
}

void acme_account_free(struct acme_account *a)
{
	if (a == NULL)
		return;
	free(a->orders);
	strlist_clear(&a->contact);
	free(a);
}

void acme_problem_free(struct acme_problem *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < p->subproblem_count; i++) {
		free(p->subproblems[i].type);
		free(p->subproblems[i].detail);
		free(p->subproblems[i].identifier);
	}
	free(p->subproblems);
	free(p->type);
	free(p->detail);
	free(p->instance);
	free(p);
}

void acme_order_free(struct acme_order *o)
{
	if (o == NULL)
		return;
	strlist_clear(&o->identifiers);
	strlist_clear(&o->authorizations);
	free(o->finalize);
	free(o->certificate);
	free(o->profile);
	acme_problem_free(o->problem);
	free(o);
}

static void challenge_clear(struct acme_challenge *c)
{
	free(c->type);
	free(c->url);
	free(c->token);
	acme_problem_free(c->problem);
}

void acme_challenge_free(struct acme_challenge *c)
{
	if (c == NULL)
		return;
	challenge_clear(c);
	free(c);
}

void acme_authorization_free(struct acme_authorization *a)
{
	if (a == NULL)
		return;
	free(a->identifier);
	for (size_t i = 0; i < a->challenge_count; i++)
		challenge_clear(&a->challenges[i]);
	free(a->challenges);
	free(a);
}

void auto_acme_directory(struct acme_directory **d)
{
	acme_directory_free(*d);
}

void auto_acme_account(struct acme_account **a)
{
	acme_account_free(*a);
}

void auto_acme_order(struct acme_order **o)
{
	acme_order_free(*o);
}

void auto_acme_authorization(struct acme_authorization **a)
{
	acme_authorization_free(*a);
}

void auto_acme_challenge(struct acme_challenge **c)
{
	acme_challenge_free(*c);
}

void auto_acme_problem(struct acme_problem **p)
{
	acme_problem_free(*p);
}
