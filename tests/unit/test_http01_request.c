/* SPDX-License-Identifier: MIT */
#include "tests/unit.h"

#include "agent/http01_request.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOKEN "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0"
#define PATH  "/.well-known/acme-challenge/"
#define END   "\r\n\r\n"
#define T22   "abcdefghijklmnopqrstuv"
#define T64   "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"

static const struct {
	const char *data;
	enum http01_verdict want;
	const char *token; /* HTTP01_COMPLETE only */
	bool head;
} rows[] = {
	{"GET " PATH TOKEN " HTTP/1.1\r\nHost: a.example" END, HTTP01_COMPLETE, TOKEN, false},
	{"HEAD " PATH TOKEN " HTTP/1.1" END, HTTP01_COMPLETE, TOKEN, true},
	{"GET " PATH TOKEN " HTTP/1.0" END, HTTP01_COMPLETE, TOKEN, false},
	{"GET " PATH TOKEN " HTTP/1.1\n\n", HTTP01_COMPLETE, TOKEN, false}, /* bare LF */
	{"\r\nGET " PATH TOKEN " HTTP/1.1" END, HTTP01_COMPLETE, TOKEN, false},
	{"GET http://a.example" PATH TOKEN " HTTP/1.1" END, HTTP01_COMPLETE, TOKEN, false},
	{"GET HTTP://[::1]:80" PATH TOKEN " HTTP/1.1" END, HTTP01_COMPLETE, TOKEN, false},
	{"GET " PATH T22 " HTTP/1.1" END, HTTP01_COMPLETE, T22, false}, /* shortest, longest */
	{"GET " PATH T64 T64 " HTTP/1.1" END, HTTP01_COMPLETE, T64 T64, false},
	{"GET " PATH TOKEN " HTTP/1.1" END "rest", HTTP01_COMPLETE, TOKEN, false},
	/* somebody else's request: 404 */
	{"GET / HTTP/1.1" END, HTTP01_COMPLETE, "", false},
	{"GET " PATH " HTTP/1.1" END, HTTP01_COMPLETE, "", false},
	{"GET " PATH "abcdefghijklmnopqrstu HTTP/1.1" END, HTTP01_COMPLETE, "", false},
	{"GET " PATH T64 T64 "x HTTP/1.1" END, HTTP01_COMPLETE, "", false},
	{"GET " PATH "../" TOKEN " HTTP/1.1" END, HTTP01_COMPLETE, "", false},
	{"GET " PATH "..%2f..%2f..%2fetc%2fpasswd HTTP/1.1" END, HTTP01_COMPLETE, "", false},
	{"GET " PATH TOKEN "/ HTTP/1.1" END, HTTP01_COMPLETE, "", false},
	{"GET " PATH TOKEN "? HTTP/1.1" END, HTTP01_COMPLETE, "", false},
	{"GET " PATH TOKEN ".txt HTTP/1.1" END, HTTP01_COMPLETE, "", false},
	{"GET /x" PATH TOKEN " HTTP/1.1" END, HTTP01_COMPLETE, "", false},
	{"GET /" PATH TOKEN " HTTP/1.1" END, HTTP01_COMPLETE, "", false},
	{"GET /.WELL-KNOWN/acme-challenge/" TOKEN " HTTP/1.1" END, HTTP01_COMPLETE, "", false},
	{"GET http://" PATH TOKEN " HTTP/1.1" END, HTTP01_COMPLETE, "", false}, /* no host */
	{"GET http://a.example HTTP/1.1" END, HTTP01_COMPLETE, "", false},
	{"GET https://a.example" PATH TOKEN " HTTP/1.1" END, HTTP01_COMPLETE, "", false},
	{"POST " PATH TOKEN " HTTP/1.1" END, HTTP01_COMPLETE, "", false},
	{"get " PATH TOKEN " HTTP/1.1" END, HTTP01_COMPLETE, "", false},
	{"OPTIONS * HTTP/1.1" END, HTTP01_COMPLETE, "", false},
	/* not there yet */
	{"", HTTP01_INCOMPLETE, NULL, false},
	{"\r\n", HTTP01_INCOMPLETE, NULL, false},
	{"GET " PATH TOKEN " HTTP/1.1", HTTP01_INCOMPLETE, NULL, false},
	{"GET " PATH TOKEN " HTTP/1.1\r\n", HTTP01_INCOMPLETE, NULL, false},
	{"GET " PATH TOKEN " HTTP/1.1\r\nHost: a\r\n\r", HTTP01_INCOMPLETE, NULL, false},
	/* no HTTP */
	{"\r\n\r\n", HTTP01_BAD, NULL, false},
	{"GET " PATH TOKEN "\r\n", HTTP01_BAD, NULL, false}, /* HTTP/0.9 */
	{"GET " PATH TOKEN " HTTP/2.0" END, HTTP01_BAD, NULL, false},
	{"GET " PATH TOKEN " HTTP/1." END, HTTP01_BAD, NULL, false},
	{"GET " PATH TOKEN " HTTP/1.1 " END, HTTP01_BAD, NULL, false},
	{"GET  " PATH TOKEN " HTTP/1.1" END, HTTP01_BAD, NULL, false},
	{" GET " PATH TOKEN " HTTP/1.1" END, HTTP01_BAD, NULL, false},
	{"GET\t" PATH TOKEN "\tHTTP/1.1" END, HTTP01_BAD, NULL, false},
	{"GET " PATH "\x01 HTTP/1.1" END, HTTP01_BAD, NULL, false},
	{"GET " PATH "\xc3\xa4 HTTP/1.1" END, HTTP01_BAD, NULL, false},
	{"\x16\x03\x01\x02\n", HTTP01_BAD, NULL, false}, /* TLS on the wrong port */
};

/* On the heap, so that the sanitizer sees a byte read behind the end. */
static enum http01_verdict parse(const char *data, size_t len, struct http01_request *ret)
{
	AUTO_FREE char *copy = mem_new(len);

	memcpy(copy, data, len);
	return http01_request_parse(copy, len, ret);
}

static void a_request_is_a_challenge_only_when_it_is_exactly_one(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct http01_request r = {.token = "untouched"};

		if (parse(rows[i].data, strlen(rows[i].data), &r) != rows[i].want)
			fail_msg("row %zu: %s", i, rows[i].data);
		assert_string_equal(r.token, rows[i].token != NULL ? rows[i].token : "untouched");
		assert_int_equal(r.head, rows[i].head);
	}
}

static void a_request_that_comes_byte_by_byte_is_incomplete_until_its_last(void **state)
{
	static const char data[] =
		"\r\nGET " PATH TOKEN " HTTP/1.1\r\nHost: a.example\r\nAccept: */*" END;
	struct http01_request r = {0};

	(void)state;
	for (size_t len = 0; len < sizeof(data) - 1; len++)
		assert_int_equal(parse(data, len, &r), HTTP01_INCOMPLETE);
	assert_int_equal(parse(data, sizeof(data) - 1, &r), HTTP01_COMPLETE);
}

static void a_request_line_has_at_most_a_kibibyte(void **state)
{
	char data[HTTP01_MAX_LINE + 64];
	struct http01_request r = {0};
	size_t fits = HTTP01_MAX_LINE - strlen("GET / HTTP/1.1");

	(void)state;
	memset(data, 'a', sizeof(data));
	memcpy(data, "GET /", 5);
	strcpy(data + 5 + fits, " HTTP/1.1" END);
	assert_int_equal(parse(data, strlen(data), &r), HTTP01_COMPLETE);
	assert_int_equal(parse(data, strlen(data) - 3, &r), HTTP01_INCOMPLETE); /* with its CR */
	data[5 + fits] = 'a';
	strcpy(data + 6 + fits, " HTTP/1.1" END);
	assert_int_equal(parse(data, strlen(data), &r), HTTP01_BAD);
	assert_int_equal(parse(data, HTTP01_MAX_LINE + 2, &r), HTTP01_BAD);
}

static void a_full_buffer_is_never_incomplete(void **state)
{
	AUTO_FREE char *data = mem_new(HTTP01_MAX_REQUEST + 1);
	struct http01_request r = {0};
	size_t len;

	(void)state;
	memset(data, 'h', HTTP01_MAX_REQUEST);
	assert_int_equal(parse(data, HTTP01_MAX_REQUEST, &r), HTTP01_BAD);
	len = (size_t)sprintf(data, "GET / HTTP/1.1\r\nX: ");
	data[len] = 'h';
	assert_int_equal(parse(data, HTTP01_MAX_REQUEST - 1, &r), HTTP01_INCOMPLETE);
	assert_int_equal(parse(data, HTTP01_MAX_REQUEST, &r), HTTP01_BAD);
	memcpy(data + HTTP01_MAX_REQUEST - 4, END, 4);
	assert_int_equal(parse(data, HTTP01_MAX_REQUEST, &r), HTTP01_COMPLETE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_is_a_challenge_only_when_it_is_exactly_one),
		cmocka_unit_test(a_request_that_comes_byte_by_byte_is_incomplete_until_its_last),
		cmocka_unit_test(a_request_line_has_at_most_a_kibibyte),
		cmocka_unit_test(a_full_buffer_is_never_incomplete),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
