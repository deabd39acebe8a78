/* SPDX-License-Identifier: MIT
 *
 * test_config_text — what is wrong with the text of a configuration, its sections, keys and
 * scalars.
 */
#include "tests/unit/config_files.h"

#include "tests/unit.h"

#define LE "accounts: {le: {server: letsencrypt}}\n"

static const struct config_case rows[] = {
	/* --- syntax --- */

	/* not closed */
	{"certificates: {a.test: {names: [a.test}\n",
	 "c.yaml:1:39: this is not YAML: did not find expected ',' or ']', while parsing a flow "
	 "sequence from 1:32 on",
	 {NULL}},
	/* a colon too many */
	{"accounts: le: x\n",
	 "c.yaml:1:13: this is not YAML: mapping values are not allowed in this context",
	 {NULL}},
	/* indented by a tab */
	{"accounts:\n"
	 "\tle: {}\n",
	 "c.yaml:2:1: a tab: YAML is indented by spaces",
	 {NULL}},
	/* a quote that is not closed */
	{"log: {format: \"json}\n",
	 "c.yaml:2:1: this is not YAML: found unexpected end of stream, while scanning a quoted "
	 "scalar from 1:15 on",
	 {NULL}},
	/* no UTF-8 */
	{"log: {format: \xff"
	 "}\n",
	 "c.yaml:1:15: this is not UTF-8 text: invalid leading UTF-8 octet",
	 {NULL}},
	/* a second document */
	{"log: {format: json}\n"
	 "---\n"
	 "log: {format: text}\n",
	 "c.yaml:2:1: a second document begins here: a file is one document",
	 {NULL}},
	/* an anchor and its alias: each is told */
	{"accounts:\n"
	 "  a: &x {server: le}\n"
	 "  b: *x\n",
	 "c.yaml:2:6: anchors (&) are not used here: write it out where it is needed\n"
	 "c.yaml:3:6: aliases (*) are not used here: write it out, in quotes if it begins with *",
	 {NULL}},
	/* a wildcard without quotes is an alias for YAML */
	{LE "certificates:\n"
	    "  w:\n"
	    "    names: [*.a.test]\n",
	 "c.yaml:4:13: aliases (*) are not used here: write it out, in quotes if it begins with *",
	 {NULL}},
	/* a tag */
	{"log: {format: !!binary anNvbg==}\n",
	 "c.yaml:1:15: tags (!) are not used here: leave it out",
	 {NULL}},
	/* a tag of one's own */
	{"log: !mine {format: json}\n",
	 "c.yaml:1:6: tags (!) are not used here: leave it out",
	 {NULL}},
	/* a control character */
	{"accounts: {le: {server: \"a\\0b\"}}\n",
	 "c.yaml:1:25: a control character has no place in a text",
	 {NULL}},
	/* a list is no key */
	{"? [a, b]\n"
	 ": c\n",
	 "c.yaml:1:3: a key has to be a text",
	 {NULL}},
	/* too deep */
	{"log: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\n",
	 "c.yaml:1:37: this is nested too deeply: more than 32 levels",
	 {NULL}},
	/* not a map */
	{"- accounts\n",
	 "c.yaml:1:1: a configuration has to be a map of sections, not a list",
	 {NULL}},
	/* not a map, either */
	{"accounts\n",
	 "c.yaml:1:1: a configuration has to be a map of sections, not a text",
	 {NULL}},
	/* --- sections --- */

	/* a slip of the finger */
	{"certficates: {}\n",
	 "c.yaml:1:1: \"certficates\" is no section of a configuration (did you mean "
	 "\"certificates\"?)",
	 {NULL}},
	/* nothing alike */
	{"webserver: {}\n", "c.yaml:1:1: \"webserver\" is no section of a configuration", {NULL}},
	/* a section as a list */
	{"certificates:\n"
	 "  - names: [a.test]\n",
	 "c.yaml:2:3: \"certificates\" has to be a map of names, not a list",
	 {NULL}},
	/* a section as a text */
	{"solvers: web\n", "c.yaml:1:10: \"solvers\" has to be a map of names, not a text", {NULL}},
	/* a section twice */
	{"log: {format: json}\n"
	 "log: {format: text}\n",
	 "c.yaml:2:1: \"log\" stands here a second time: first in line 1",
	 {NULL}},
	/* sections of names twice, too */
	{LE "accounts: {x: {server: le}}\n"
	    "certificates: {a.test: }\n",
	 "c.yaml:2:1: \"accounts\" stands here a second time: first in line 1\n"
	 "c.yaml:3:16: certificate \"a.test\" has no \"account\", and there may be more than one: "
	 "not everything could be read",
	 {NULL}},
	/* JSON null is no section */
	{"{\"accounts\": null}\n",
	 "c.yaml:1:14: \"accounts\" has to be a map of names, not null",
	 {NULL}},
	/* --- names of things --- */

	/* capitals */
	{"accounts: {Main: {server: le}}\n",
	 "c.yaml:1:12: \"Main\" cannot be the name of an account: use 1 to 64 of a-z, 0-9, \".\", "
	 "\"_\", \"-\", beginning with a letter or digit",
	 {NULL}},
	/* a path as a name */
	{LE "certificates: {../x: {names: [a.test]}}\n",
	 "c.yaml:2:16: \"../x\" cannot be the name of a certificate: use 1 to 64 of a-z, 0-9, "
	 "\".\", \"_\", \"-\", beginning with a letter or digit",
	 {NULL}},
	/* a name twice */
	{"solvers:\n"
	 "  w: {type: standalone}\n"
	 "  w: {type: webroot, directory: /tmp}\n",
	 "c.yaml:3:3: solver \"w\" is defined a second time: first at c.yaml:2:3",
	 {NULL}},
	/* a certificate twice: neither is used */
	{LE "certificates:\n"
	    "  a.test: {}\n"
	    "  a.test: {paused: true}\n",
	 "c.yaml:4:3: certificate \"a.test\" is defined a second time: first at c.yaml:3:3",
	 {NULL}},
	/* --- keys --- */

	/* an underscore */
	{"accounts: {le: {server: le, ca_bundle: /tmp}}\n",
	 "c.yaml:1:29: \"ca_bundle\" is no key of account \"le\" (did you mean \"ca-bundle\"?)",
	 {NULL}},
	/* a key twice */
	{"accounts:\n"
	 "  le:\n"
	 "    server: le\n"
	 "    contact: a@b.test\n"
	 "    server: zerossl\n",
	 "c.yaml:5:5: \"server\" stands here a second time: first in line 3",
	 {NULL}},
	/* a key that is missing */
	{"accounts: {le: {contact: a@b.test}}\n",
	 "c.yaml:1:16: account \"le\" has no \"server\"",
	 {NULL}},
	/* an entry that is no map */
	{"accounts: {le: letsencrypt}\n",
	 "c.yaml:1:16: account \"le\" has to be a map of keys and values, not a text",
	 {NULL}},
	/* an entry that is nothing */
	{"accounts: {le: }\n",
	 "c.yaml:1:16: account \"le\" has to be a map of keys and values, not nothing",
	 {NULL}},
	/* all at once, in order */
	{"accounts:\n"
	 "  le: {sever: le, agree-tos: yes, contact: nobody}\n"
	 "log: {format: xml}\n",
	 "c.yaml:2:7: account \"le\" has no \"server\"\n"
	 "c.yaml:2:8: \"sever\" is no key of account \"le\" (did you mean \"server\"?)\n"
	 "c.yaml:2:30: \"agree-tos\" has to be true or false, not yes: write true\n"
	 "c.yaml:2:44: \"contact\" has to be a mail address, not \"nobody\"\n"
	 "c.yaml:3:15: \"format\" has to be text, kv or json, not \"xml\"",
	 {NULL}},
	/* --- flags and numbers --- */

	/* yes */
	{"accounts: {le: {server: le, agree-tos: yes}}\n",
	 "c.yaml:1:40: \"agree-tos\" has to be true or false, not yes: write true",
	 {NULL}},
	/* Off */
	{"accounts: {le: {server: le, agree-tos: Off}}\n",
	 "c.yaml:1:40: \"agree-tos\" has to be true or false, not Off: write false",
	 {NULL}},
	/* a flag in quotes */
	{"accounts: {le: {server: le, agree-tos: \"true\"}}\n",
	 "c.yaml:1:40: \"agree-tos\" has to be true or false, not \"true\": write true",
	 {NULL}},
	/* 1 */
	{LE "certificates: {a.test: {paused: 1}}\n",
	 "c.yaml:2:33: \"paused\" has to be true or false, not 1: write true",
	 {NULL}},
	/* a flag that is none */
	{LE "certificates: {a.test: {paused: maybe}}\n",
	 "c.yaml:2:33: \"paused\" has to be true or false, not \"maybe\"",
	 {NULL}},
	/* a flag as a list */
	{LE "certificates: {a.test: {paused: [true]}}\n",
	 "c.yaml:2:33: \"paused\" has to be true or false, not a list",
	 {NULL}},
	/* a port with an exponent */
	{"solvers: {s: {type: standalone, port: 1e3}}\n",
	 "c.yaml:1:39: \"port\" has to be a number from 1 to 65535, not \"1e3\"",
	 {NULL}},
	/* a port too high */
	{"solvers: {s: {type: standalone, port: 65536}}\n",
	 "c.yaml:1:39: \"port\" has to be a number from 1 to 65535, not \"65536\"",
	 {NULL}},
	/* octal */
	{"solvers: {s: {type: standalone, port: 0080}}\n",
	 "c.yaml:1:39: \"port\" has to be a number from 1 to 65535, not \"0080\"",
	 {NULL}},
	/* a port in quotes */
	{"solvers: {s: {type: standalone, port: \"80\"}}\n",
	 "c.yaml:1:39: \"port\" is a number: write it without quotes",
	 {NULL}},
	/* --- texts --- */

	/* null is no text */
	{"defaults: {profile: null}\n",
	 "c.yaml:1:21: \"profile\" has to be a text, not null: leave it out, or put the word into "
	 "quotes",
	 {NULL}},
	/* nor is ~ */
	{"defaults: {profile: ~}\n",
	 "c.yaml:1:21: \"profile\" has to be a text, not null: leave it out, or put the word into "
	 "quotes",
	 {NULL}},
	/* nothing at all */
	{"defaults:\n"
	 "  profile:\n",
	 "c.yaml:2:11: \"profile\" has to be a text, not nothing",
	 {NULL}},
	/* an empty one */
	{"defaults: {profile: ''}\n", "c.yaml:1:21: \"profile\" is empty", {NULL}},
	/* a line break */
	{"defaults:\n"
	 "  profile: \"a\\nb\"\n",
	 "c.yaml:2:12: \"profile\" has to be a text, without line breaks and tabs",
	 {NULL}},
	/* a list for a text */
	{"defaults: {profile: [a]}\n",
	 "c.yaml:1:21: \"profile\" has to be a text, not a list",
	 {NULL}},
};

static void every_mistake_in_the_text_is_told_with_its_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		config_case_check(&rows[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_mistake_in_the_text_is_told_with_its_place),
	};
	return cmocka_run_group_tests(tests, config_folder_enter, config_folder_leave);
}
