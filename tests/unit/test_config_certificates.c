/* SPDX-License-Identifier: MIT
 *
 * test_config_certificates — what is wrong with certificates, what a mistake takes along, and where
 * it stands when there are several files.
 */
#include "tests/unit/config_files.h"

#include "tests/unit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LE "accounts: {le: {server: letsencrypt}}\n"

static const struct config_case rows[] = {
	/* --- certificates --- */

	/* an underscore in a name */
	{LE "certificates: {a: {names: [a_b.test]}}\n",
	 "c.yaml:2:28: \"a_b.test\" contains an underscore, which no name in a certificate may "
	 "have",
	 {NULL}},
	/* no names, and its own is none */
	{LE "certificates: {a_b: }\n",
	 "c.yaml:2:16: certificate \"a_b\" has no \"names\", and its own name is none: \"a_b\" "
	 "contains an underscore, which no name in a certificate may have",
	 {NULL}},
	/* an empty list of names */
	{LE "certificates: {a.test: {names: []}}\n",
	 "c.yaml:2:32: a certificate needs at least one name",
	 {NULL}},
	/* a name twice */
	{LE "certificates: {a: {names: [a.test, A.test]}}\n",
	 "c.yaml:2:36: \"a.test\" stands twice in \"names\"",
	 {NULL}},
	/* only optional names */
	{LE "certificates: {a: {names: [], optional: [b.test]}}\n",
	 "c.yaml:2:27: all names are optional: one at least has to be in every certificate",
	 {NULL}},
	/* a wildcard over http-01 */
	{LE "certificates: {a: {names: ['*.a.test']}}\n",
	 "c.yaml:2:27: *.a.test needs a DNS challenge, which standalone cannot answer: leave it "
	 "out",
	 {NULL}},
	/* a key that is none */
	{LE "certificates: {a.test: {key: ec-255}}\n",
	 "c.yaml:2:30: \"key\" has to be ec-256, ec-384 or rsa-2048, not \"ec-255\" (did you mean "
	 "\"ec-256\"?)",
	 {NULL}},
	/* no account */
	{"certificates: {a.test: {}}\n",
	 "c.yaml:1:16: certificate \"a.test\" has no \"account\", and \"accounts\" has none",
	 {NULL}},
	/* two accounts to choose from */
	{"accounts: {a: {server: le}, b: {server: zerossl}}\n"
	 "certificates: {a.test: }\n",
	 "c.yaml:2:16: certificate \"a.test\" has no \"account\", and there is more than one: say "
	 "which, here or in \"defaults\"",
	 {NULL}},
	/* accounts that are none */
	{LE "certificates: {a.test: {account: []}}\n",
	 "c.yaml:2:34: \"account\" names no account",
	 {NULL}},
	/* an account that is not there */
	{LE "certificates: {a.test: {account: [le, lee]}}\n",
	 "c.yaml:2:39: there is no account \"lee\" (did you mean \"le\"?)",
	 {NULL}},
	/* a solver that is not there */
	{LE "solvers: {web: {type: standalone}}\n"
	    "certificates: {a.test: {solver: wbe}}\n",
	 "c.yaml:3:33: there is no solver \"wbe\" (did you mean \"web\"?)",
	 {NULL}},
	/* a deployer that is not there */
	{LE "certificates: {a.test: {deploy: [nginx]}}\n",
	 "c.yaml:2:34: there is no deployer \"nginx\"",
	 {NULL}},
	/* --- what one mistake takes along --- */

	/* a solver takes along who uses it */
	{LE "solvers: {w: {type: webroot}, s: {type: standalone}}\n"
	    "certificates:\n"
	    "  a.test: {solver: w}\n"
	    "  b.test: {solver: s}\n"
	    "  c.test: {solver: w}\n",
	 "c.yaml:2:14: solver \"w\" has no \"directory\"\n"
	 "c.yaml:4:3: certificate \"a.test\" uses solver \"w\", which has an error, so this "
	 "certificate is left as it was\n"
	 "c.yaml:6:3: certificate \"c.test\" uses solver \"w\", which has an error, so this "
	 "certificate is left as it was",
	 {NULL}},
	/* an account, the only one */
	{"accounts: {le: {server: nowhere}}\n"
	 "certificates: {a.test: }\n",
	 "c.yaml:1:25: \"nowhere\" is no CA's short name and no https URL\n"
	 "c.yaml:2:16: certificate \"a.test\" uses account \"le\", which has an error, so this "
	 "certificate is left as it was",
	 {NULL}},
	/* a default that leads nowhere takes along who relies on it */
	{LE "defaults: {solver: web}\n"
	    "solvers: {s: {type: standalone}}\n"
	    "certificates:\n"
	    "  a.test:\n"
	    "  b.test: {solver: s}\n",
	 "c.yaml:2:20: there is no solver \"web\"\n"
	 "c.yaml:5:3: certificate \"a.test\" takes \"solver\" from \"defaults\", where it has an "
	 "error, so this certificate is left as it was",
	 {NULL}},
	/* so does a default of a wrong type */
	{LE "defaults: {key: dsa}\n"
	    "certificates:\n"
	    "  a.test:\n"
	    "  b.test: {key: rsa}\n",
	 "c.yaml:2:17: \"key\" has to be ec-256, ec-384 or rsa-2048, not \"dsa\"\n"
	 "c.yaml:4:3: certificate \"a.test\" takes \"key\" from \"defaults\", where it has an "
	 "error, so this certificate is left as it was",
	 {NULL}},
	/* an unknown default may have meant anything */
	{LE "defaults: {hook: x}\n"
	    "certificates: {a.test: , b.test: {key: rsa}}\n",
	 "c.yaml:2:12: \"hook\" is no key of \"defaults\"\n"
	 "c.yaml:3:16: certificate \"a.test\" rests on \"defaults\", which has an error, so this "
	 "certificate is left as it was\n"
	 "c.yaml:3:26: certificate \"b.test\" rests on \"defaults\", which has an error, so this "
	 "certificate is left as it was",
	 {NULL}},
	/* --- several files --- */

	/* a file that is missing */
	{"include: [x.yaml, y/*.yaml]\n", "c.yaml:1:11: there is no file x.yaml", {NULL}},
	/* itself */
	{"include: c.yaml\n",
	 "c.yaml:1:10: c.yaml is the file with which everything begins",
	 {NULL}},
	/* a file twice */
	{"include: [a.yaml, '*.yaml']\n",
	 "c.yaml:1:19: a.yaml is included a second time: first at c.yaml:1:11\n"
	 "c.yaml:1:19: c.yaml is the file with which everything begins",
	 {"a.yaml", "log: {format: text}\n"}},
	/* a name in two files */
	{"include: 'a*.yaml'\n"
	 "solvers: {w: {type: standalone}}\n",
	 "c.yaml:2:11: solver \"w\" is defined a second time: first at a1.yaml:1:11\n"
	 "a2.yaml:2:11: solver \"w\" is defined a second time: first at a1.yaml:1:11",
	 {"a1.yaml", "solvers: {w: {type: standalone}}\n", "a2.yaml",
	  "\n"
	  "solvers: {w: {type: standalone}}\n"}},
	/* a setting in two files */
	{"log: {format: text}\n"
	 "include: a.yaml\n",
	 "a.yaml:1:1: \"log\" is given a second time: first at c.yaml:1:1",
	 {"a.yaml", "log: {format: json}\n"}},
	/* a bad file does not spoil the good one */
	{"include: [a.yaml, b.yaml]\n" LE,
	 "a.yaml:2:1: this is not YAML: did not find expected ',' or '}', while parsing a flow "
	 "mapping from 1:15 on\n"
	 "b.yaml:1:46: there is no solver \"x\"",
	 {"a.yaml", "certificates: {a.test: {}\n", "b.yaml",
	  "certificates: {b.test: {account: le, solver: x}}\n"}},
	/* five files deep */
	{"include: a.yaml\n",
	 "e.yaml:1:10: files include files more than 4 times over",
	 {"a.yaml", "include: b.yaml\n", "b.yaml", "include: d.yaml\n", "d.yaml",
	  "include: e.yaml\n", "e.yaml", "include: f.yaml\n", "f.yaml", "log: {format: xml}\n"}},
	/* defaults in two files: who rests on them is left */
	{"defaults: {key: rsa}\n"
	 "include: a.yaml\n" LE "certificates: {a.test: }\n",
	 "c.yaml:4:16: certificate \"a.test\" rests on \"defaults\", which is given twice, so this "
	 "certificate is left as it was\n"
	 "a.yaml:1:1: \"defaults\" is given a second time: first at c.yaml:1:1",
	 {"a.yaml", "defaults: {key: ec-384}\n"}},
	/* defaults that may be in a file that cannot be read */
	{"include: a.yaml\n" LE "certificates: {a.test: }\n",
	 "c.yaml:3:16: certificate \"a.test\" may rest on \"defaults\" that could not be read, so "
	 "this certificate is left as it was\n"
	 "a.yaml:2:1: this is not YAML: did not find expected ',' or '}', while parsing a flow "
	 "mapping from 1:11 on",
	 {"a.yaml", "defaults: {key: rsa\n"}},
	/* accounts that may be in a file that cannot be read */
	{"include: a.yaml\n" LE "certificates: {a.test: }\n",
	 "c.yaml:3:16: certificate \"a.test\" has no \"account\", and there may be more than one: "
	 "not everything could be read\n"
	 "a.yaml:2:1: this is not YAML: did not find expected ',' or '}', while parsing a flow "
	 "mapping from 1:11 on",
	 {"a.yaml", "accounts: {x: {}\n"}},
	/* an include that is a map */
	{"include: {a: b}\n",
	 "c.yaml:1:10: \"include\" has to be a path, or a list of paths, not a map",
	 {NULL}},
};

static void every_mistake_takes_along_only_what_rests_on_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		config_case_check(&rows[i]);
}

/* However it is written: %s is the folder of the test. */
static const char one_place[] =
	LE "deployers:\n"
	   "  plain: {type: files, directory: %s/real}\n"
	   "  dotted: {type: files, directory: %s/real/./../real/}\n"
	   "  linked: {type: files, directory: %s/link/real}\n"
	   "  missing: {type: files, directory: %s/link/new/x/../y}\n"
	   "  also-missing: {type: files, directory: %s/new/y}\n"
	   "  own: {type: files, directory: '%s/{name}/{name}', owner: root}\n"
	   "certificates:\n"
	   "  a.test: {deploy: plain}\n"
	   "  b.test: {deploy: [own, dotted]}\n"
	   "  c.test: {deploy: linked}\n"
	   "  d.test: {deploy: missing}\n"
	   "  e.test: {deploy: also-missing}\n"
	   "  f.test: {deploy: own}\n"
	   "  g.test: {deploy: [own]}\n"
	   "  h.test:\n";

static void two_certificates_in_one_place_were_fine_and_overwrote_each_other(void **state)
{
	static const char *const pairs[] = {"a.test and b.test", "b.test and a.test",
					    "c.test and a.test", "d.test and e.test",
					    "e.test and d.test"};
	struct config_errors errors AUTO(config_errors_clear) = {0};
	AUTO_CONFIG struct config *c = NULL;
	AUTO_FREE char *cwd = realpath(".", NULL);
	AUTO_FREE char *text = mem_printf(one_place, cwd, cwd, cwd, cwd, cwd, cwd);
	AUTO_FREE char *lines = NULL, *left = NULL;

	(void)state;
	assert_int_equal(mkdir("real", 0755), 0);
	assert_int_equal(symlink(".", "link"), 0);
	config_file_write("c.yaml", text);
	c = config_read("c.yaml", 0, &errors);
	lines = config_lines(&errors);
	left = strlist_join(&c->left, " ");
	assert_string_equal(left, "a.test b.test c.test d.test e.test");
	assert_int_equal(c->certificate_count, 3);
	assert_int_equal(config_errors_count(&errors, false), 5);
	for (size_t i = 0; i < COUNT_OF(pairs); i++)
		if (strstr(lines, pairs[i]) == NULL)
			fail_msg("\"%s\" does not say \"%s\"", lines, pairs[i]);
	assert_string_equal(c->certificates[0].name, "f.test");
	assert_non_null(strstr(c->certificates[0].wish, "/f.test/f.test\",\"owner\":\"root\""));
	assert_int_equal(unlink("link"), 0);
	assert_int_equal(rmdir("real"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_mistake_takes_along_only_what_rests_on_it),
		cmocka_unit_test(two_certificates_in_one_place_were_fine_and_overwrote_each_other),
	};
	return cmocka_run_group_tests(tests, config_folder_enter, config_folder_leave);
}
