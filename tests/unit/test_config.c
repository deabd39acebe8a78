/* SPDX-License-Identifier: MIT
 *
 * test_config — what a good configuration means, who may write to it, and where its secrets are.
 */
#include "tests/unit.h"

#include "agent/config/node.h"
#include "agent/wishing.h"
#include "tests/unit/config_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LE "accounts: {le: {server: letsencrypt}}\n"

static const char good[] =
	"# everything there is\n"
	"include: more.yaml\n"
	"defaults:\n"
	"  account: [le, zero]\n"
	"  solver: web\n"
	"  deploy: [files, reload]\n"
	"  profile: shortlived\n"
	"  post-hook: [/bin/true, \"a\\nb\", '']\n"
	"accounts:\n"
	"  le: {server: letsencrypt, contact: a@b.test, agree-tos: true}\n"
	"  zero:\n"
	"    server: https://ca.test/dir\n"
	"    contact: [a@b.test, c@d.test]\n"
	"    ca-bundle: /dev/null\n"
	"    proxy: http://user:secret@proxy.test:3128\n"
	"    key: env:PATH\n"
	"    eab: {kid: 'yes', hmac-key: env:PATH}\n"
	"solvers:\n"
	"  web: {type: webroot, directory: /tmp}\n"
	"deployers:\n"
	"  files: {type: files, directory: '/tmp/x/{name}', owner: 0, group: 0, mode: 0640}\n"
	"  reload:\n"
	"    type: exec\n"
	"    command: [/bin/true, -s, reload, 0640, yes, null]\n"
	"    prove: localhost:443\n"
	"    window: Mon-Fri 02:00-05:00; Sat 00:00-24:00 UTC\n"
	"certificates:\n"
	"  www.a.test:\n"
	"  second:\n"
	"    names: [A.test, \"b\\u00fccher.test\"]\n"
	"    optional: [a.test, c.test]\n"
	"    account: le\n"
	"    solver: alone\n"
	"    deploy: []\n"
	"    key: P-384\n"
	"    profile: on\n"
	"    pre-hook: [/bin/true]\n"
	"    post-hook: []\n"
	"    paused: true\n"
	"notify: {command: [/bin/true, x]}\n"
	"metrics: {listen: '[::1]:9090', textfile: /tmp/x.prom}\n"
	"log: {format: kv}\n";

static const char more[] =
	"{\"solvers\": {\"alone\": {\"type\": \"standalone\", \"address\": \"127.0.0.1\",\n"
	"\t\"port\":8080}},\n"
	" \"certificates\": {\"from-json\": {\"names\": \"d.test\", \"deploy\":[\"files\"]}}}\n";

struct want {
	const char *name, *names, *optional, *accounts, *wish;
	bool paused;
	const char *origin;
};

#define RELOAD                                                                                     \
	"{\"name\":\"exec\",\"command\":[\"/bin/true\",\"-s\",\"reload\",\"0640\",\"yes\","        \
	"\"null\"],\"prove\":\"localhost:443\","                                                   \
	"\"window\":\"Mon-Fri 02:00-05:00; Sat 00:00-24:00 UTC\"}"
#define FILES(name)                                                                                \
	"{\"name\":\"files\",\"directory\":\"/tmp/x/" name                                         \
	"\",\"owner\":\"0\",\"group\":\"0\",\"mode\":\"0640\"}"
#define WEB  "\"solver\":{\"name\":\"webroot\",\"directory\":\"/tmp\"}"
#define POST "\"post_hook\":[\"/bin/true\",\"a\\nb\",\"\"]"

static const struct want wants[] = {
	{"from-json", "d.test", "", "le zero",
	 "{\"key\":\"ec-256\",\"profile\":\"shortlived\"," WEB
	 ",\"deploy\":[" FILES("from-json") "]," POST "}",
	 false, "more.yaml:3"},
	{"www.a.test", "www.a.test", "", "le zero",
	 "{\"key\":\"ec-256\",\"profile\":\"shortlived\"," WEB
	 ",\"deploy\":[" FILES("www.a.test") "," RELOAD "]," POST "}",
	 false, "c.yaml:28"},
	{"second", "a.test xn--bcher-kva.test c.test", "a.test c.test", "le",
	 "{\"key\":\"ec-384\",\"profile\":\"on\",\"solver\":{\"name\":\"standalone\","
	 "\"port\":8080,\"address\":\"127.0.0.1\"},\"deploy\":[],\"pre_hook\":[\"/bin/true\"]}",
	 true, "c.yaml:29"},
};

static void assert_list(const struct strlist *list, const char *want)
{
	AUTO_FREE char *got = strlist_join(list, " ");

	assert_string_equal(got, want);
}

static struct config *read_good(const char *text)
{
	struct config_errors errors AUTO(config_errors_clear) = {0};
	struct config *c = config_read("c.yaml", CONFIG_SECRETS, &errors);
	AUTO_FREE char *lines = config_lines(&errors);

	if (lines[0] != '\0')
		fail_msg("of\n%s\nit said\n%s", text, lines);
	return c;
}

static void a_certificate_is_its_own_keys_and_the_defaults(void **state)
{
	AUTO_CONFIG struct config *c = NULL;

	(void)state;
	config_file_write("c.yaml", good);
	config_file_write("more.yaml", more);
	c = read_good(good);
	assert_true(c->complete);
	assert_int_equal(c->left.count, 0);
	assert_int_equal(c->certificate_count, COUNT_OF(wants));
	for (size_t i = 0; i < COUNT_OF(wants); i++) {
		const struct config_certificate *got = &c->certificates[i];
		AUTO_FREE char *origin = config_origin(&got->at);

		assert_string_equal(got->name, wants[i].name);
		assert_list(&got->names, wants[i].names);
		assert_list(&got->optional, wants[i].optional);
		assert_list(&got->accounts, wants[i].accounts);
		assert_string_equal(got->wish, wants[i].wish);
		assert_int_equal(got->paused, wants[i].paused);
		assert_string_equal(origin, wants[i].origin);
	}
	assert_ptr_equal(config_certificate_find(c, "second"), &c->certificates[2]);
	assert_null(config_certificate_find(c, "third"));
}

static void accounts_and_what_is_given_once_are_as_written(void **state)
{
	AUTO_CONFIG struct config *c = NULL;
	const struct config_account *a;

	(void)state;
	config_file_write("c.yaml", good);
	config_file_write("more.yaml", more);
	c = read_good(good);
	assert_int_equal(c->account_count, 2);
	a = config_account_find(c, "le");
	assert_string_equal(a->server, "https://acme-v02.api.letsencrypt.org/directory");
	assert_list(&a->contact, "a@b.test");
	assert_true(a->agree_tos);
	assert_null(a->ca_bundle);
	assert_null(a->eab_kid);
	a = config_account_find(c, "zero");
	assert_string_equal(a->server, "https://ca.test/dir");
	assert_list(&a->contact, "a@b.test c@d.test");
	assert_false(a->agree_tos);
	assert_string_equal(a->ca_bundle, "/dev/null");
	assert_string_equal(a->proxy, "http://user:secret@proxy.test:3128");
	assert_string_equal(a->key, "env:PATH");
	assert_string_equal(a->eab_kid, "yes");
	assert_string_equal(a->eab_hmac_key, "env:PATH");
	assert_list(&c->notify, "/bin/true x");
	assert_string_equal(c->metrics_listen, "[::1]:9090");
	assert_string_equal(c->metrics_textfile, "/tmp/x.prom");
	assert_string_equal(c->log_format, "kv");
	assert_list(&c->files, "c.yaml more.yaml");
}

static void what_is_shown_holds_no_secret(void **state)
{
	AUTO_CONFIG struct config *c = NULL;
	AUTO_FREE char *shown = NULL;

	(void)state;
	config_file_write("c.yaml", good);
	config_file_write("more.yaml", more);
	c = read_good(good);
	shown = json_print(c->effective, false);
	assert_non_null(strstr(shown, "http://user:***@proxy.test:3128"));
	assert_null(strstr(shown, "secret"));
	assert_non_null(strstr(shown, "\"hmac-key\":\"env:PATH\""));
	assert_null(strstr(shown, getenv("PATH")));
}

/* The same said on the command line and in the file is the same wish. */
static void the_file_and_the_command_line_write_the_same_wish(void **state)
{
	static const char text[] =
		"accounts: {le: {server: le}}\n"
		"solvers: {web: {type: webroot, directory: /tmp}}\n"
		"deployers:\n"
		"  f: {type: files, directory: '/tmp/{name}/x', owner: root, group: root, mode: "
		"0640}\n"
		"  x: {type: exec, command: [/bin/true, -s, reload], prove: 'a.test:443'}\n"
		"certificates:\n"
		"  a.test: {solver: web, deploy: [f, x], key: rsa, pre-hook: [/bin/true]}\n";
	struct options o = {.webroot = "/tmp",
			    .deploy_files = "/tmp/{name}/x",
			    .deploy_owner = "root:root",
			    .deploy_mode = "0640",
			    .prove = "a.test:443",
			    .key_type = "rsa",
			    .pre_hook = "/bin/true"};
	struct strlist names AUTO_STRLIST = {0};
	struct wishing_of of = {"a.test", &names, NULL};
	AUTO_CONFIG struct config *c = NULL;
	AUTO_FREE char *wish = NULL;
	struct err e = {0};

	(void)state;
	strlist_add(&names, "a.test");
	strlist_add(&o.deploy_hooks, "/bin/true -s reload");
	if (wishing(&o, &of, &wish, &e) != 0)
		fail_msg("%s", e.text);
	options_clear(&o);
	config_file_write("c.yaml", text);
	c = read_good(text);
	assert_string_equal(c->certificates[0].wish, wish);
}

static void without_a_word_it_is_the_only_account_and_port_80(void **state)
{
	static const char text[] = "accounts: {le: {server: le}}\ncertificates: {a.test: }\n";
	AUTO_CONFIG struct config *c = NULL;

	(void)state;
	config_file_write("c.yaml", text);
	c = read_good(text);
	assert_list(&c->certificates[0].accounts, "le");
	assert_string_equal(c->certificates[0].wish,
			    "{\"key\":\"ec-256\",\"solver\":{\"name\":\"standalone\",\"port\":80},"
			    "\"deploy\":[]}");
}

static void nothing_is_a_configuration_too(void **state)
{
	static const char *const texts[] = {"", "# nothing\n", "---\n...\n", "{}",
					    "log:\nsolvers:\n"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		AUTO_CONFIG struct config *c = NULL;

		config_file_write("c.yaml", texts[i]);
		c = read_good(texts[i]);
		assert_true(c->complete);
		assert_int_equal(c->certificate_count, 0);
	}
}

/* What may be acted upon, what has to be left alone, and whether the rest may be taken away. */
static const struct {
	const char *text, *more; /* more.yaml; NULL: it is not there */
	const char *good, *left;
	bool complete;
} partial[] = {
	{LE "certificates: {a.test: , b.test: {paused: x}, c.test: {solver: x}, d.test: }\n", NULL,
	 "a.test d.test", "b.test c.test", true},
	{LE "certificates: {a.test: , a.test: {}}\n", NULL, "", "a.test", true},
	{"certificates: {a.test: {}\n", NULL, "", "", false},
	/* nobody knows whether there is another account, or defaults */
	{LE "certificates: {a.test: }\ninclude: more.yaml\n", NULL, "", "a.test", false},
	{LE "certificates: {a.test: }\ninclude: more.yaml\n", "x: {", "", "a.test", false},
	{LE "certificates: {a.test: {account: le}}\ninclude: more.yaml\n", "defaults: {", "",
	 "a.test", false},
	{LE "certificates: {a.test: {account: le}}\ndefault: {key: rsa}\n", NULL, "", "a.test",
	 false},
	{LE "defaults: {account: le}\ncertificates: {a.test: }\ndefaults: {key: rsa}\n", NULL, "",
	 "a.test", false},
	{LE "defaults: {account: le}\ncertificates: {a.test: }\ninclude: more.yaml\n",
	 "defaults: {key: rsa}\n", "", "a.test", true},
	/* here it is clear */
	{LE "certificates: {a.test: {account: le}}\ninclude: more.yaml\n", "x: {", "a.test", "",
	 false},
	{LE "defaults: {account: le}\ncertificates: {a.test: }\ninclude: more.yaml\n", NULL,
	 "a.test", "", false},
	{LE "certificates: {a.test: {account: le}}\ncertificats: {b.test: }\n", NULL, "a.test", "",
	 false},
	{LE "certificates: {a.test: {account: le}}\ncertificates: {b.test: }\n", NULL, "a.test", "",
	 false},
};

static void a_mistake_leaves_out_one_certificate_and_not_the_others(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(partial); i++) {
		struct config_errors errors AUTO(config_errors_clear) = {0};
		struct strlist got AUTO_STRLIST = {0};
		AUTO_CONFIG struct config *c = NULL;

		config_file_write("c.yaml", partial[i].text);
		(void)unlink("more.yaml");
		if (partial[i].more != NULL)
			config_file_write("more.yaml", partial[i].more);
		c = config_read("c.yaml", 0, &errors);
		for (size_t j = 0; j < c->certificate_count; j++)
			strlist_add(&got, c->certificates[j].name);
		assert_list(&got, partial[i].good);
		assert_list(&c->left, partial[i].left);
		assert_int_equal(c->complete, partial[i].complete);
		assert_true(config_errors_count(&errors, false) > 0);
	}
}

/* --- who may write to it, and how large it may be --- */

static void assert_refused(const char *want)
{
	struct config_errors errors AUTO(config_errors_clear) = {0};
	AUTO_CONFIG struct config *c = config_read("c.yaml", 0, &errors);
	AUTO_FREE char *got = config_lines(&errors);

	assert_string_equal(got, want);
	assert_false(c->complete);
}

/* HERE in want stands for where we are. */
static void assert_refused_here(const char *want)
{
	AUTO_FREE char *here = getcwd(NULL, 0);
	struct buf text AUTO_BUF = {0};

	buf_init(&text, 4096);
	for (const char *at; (at = strstr(want, "HERE")) != NULL; want = at + strlen("HERE")) {
		assert_int_equal(buf_add(&text, want, (size_t)(at - want)), 0);
		assert_int_equal(buf_add_text(&text, here), 0);
	}
	assert_int_equal(buf_add_text(&text, want), 0);
	assert_refused(text.data);
}

static void a_file_that_others_can_change_is_not_read(void **state)
{
	(void)state;
	config_file_write("c.yaml", "log: {format: text}\n");
	assert_int_equal(chmod("c.yaml", 0646), 0);
	assert_refused_here("c.yaml is not read: others may write to it (mode 0646): "
			    "run chmod go-w HERE/c.yaml");
	assert_int_equal(chmod("c.yaml", 0644), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown("c.yaml", 65534, 0), 0);
		assert_refused_here("c.yaml is not read: it belongs to user 65534 (only root and "
				    "the user running everleaf may own it): run chown root "
				    "HERE/c.yaml");
	}
	assert_int_equal(unlink("c.yaml"), 0);
	assert_refused("cannot open c.yaml: No such file or directory");
}

static void a_file_that_is_included_is_judged_where_it_is_named(void **state)
{
	(void)state;
	config_file_write("c.yaml", "include: [m*.yaml]\n");
	config_file_write("more.yaml", more);
	assert_int_equal(chmod("more.yaml", 0606), 0);
	assert_refused_here("c.yaml:1:11: more.yaml is not read: others may write to it "
			    "(mode 0606): run chmod go-w HERE/more.yaml");
}

/* A link that anybody put there would show, in what is wrong with it, a file that only we can read.
 */
static void an_include_through_a_folder_of_everybodys_is_not_read_and_not_printed(void **state)
{
	(void)state;
	config_file_write("c.yaml", "include: [conf.d/*.yaml]\n");
	config_file_write("secret", "S3CRET: x\n");
	assert_int_equal(mkdir("conf.d", 0755), 0);
	assert_int_equal(symlink("../secret", "conf.d/a.yaml"), 0);
	assert_int_equal(chmod("conf.d", 0777), 0);
	assert_refused_here("c.yaml:1:11: conf.d/a.yaml is not read: others may write to the "
			    "directory HERE/conf.d and could replace it: run chmod go-w "
			    "HERE/conf.d");
	assert_int_equal(chmod("conf.d", 01777), 0); /* there, anybody may make the link */
	if (geteuid() == 0) {
		assert_int_equal(lchown("conf.d/a.yaml", 65534, 65534), 0);
		assert_refused("c.yaml:1:11: conf.d/a.yaml is not read: a symbolic link on the way "
			       "belongs to user 65534, who could lead it elsewhere: give the path "
			       "that it leads to");
	}
	assert_int_equal(unlink("conf.d/a.yaml") | rmdir("conf.d"), 0);
}

static void a_configuration_that_is_too_large_is_refused(void **state)
{
	AUTO_FREE char *large = mem_new(NODE_MAX_BYTES + 2);

	(void)state;
	memset(large, '#', NODE_MAX_BYTES + 1);
	config_file_write("c.yaml", large);
	assert_refused("c.yaml is larger than 1048576 bytes");
	for (size_t i = 0; i <= NODE_MAX_NODES; i++)
		memcpy(large + 2 * i, i > 0 ? "x," : "[ ", 2);
	memset(large + (size_t)2 * NODE_MAX_NODES + 2, '\0', 1);
	config_file_write("c.yaml", large);
	assert_refused("c.yaml:1:200001: the configuration is too large: it has more than 100000 "
		       "values");
}

/* --- secrets --- */

static int secret_of(const char *reference, char text[64], struct err *e)
{
	struct buf secret AUTO_BUF = {0};
	int r;

	buf_init_secret(&secret, CONFIG_SECRET_MAX);
	r = config_secret_read(reference, &secret, e);
	snprintf(text, 64, "%.60s", secret.data);
	return r;
}

static void a_secret_is_read_from_where_the_reference_points(void **state)
{
	AUTO_FREE char *here = getcwd(NULL, 0);
	AUTO_FREE char *file = mem_printf("file:%s/secret", here);
	char text[64];

	(void)state;
	config_file_write("secret", "from a file\n");
	assert_int_equal(secret_of(file, text, NULL), 0);
	assert_string_equal(text, "from a file");
	setenv("EVERLEAF_TEST_SECRET", "from a variable", 1);
	assert_int_equal(secret_of("env:EVERLEAF_TEST_SECRET", text, NULL), 0);
	assert_string_equal(text, "from a variable");
	setenv("CREDENTIALS_DIRECTORY", here, 1);
	assert_int_equal(secret_of("cred:secret", text, NULL), 0);
	assert_string_equal(text, "from a file");
	unsetenv("CREDENTIALS_DIRECTORY");
	assert_int_equal(secret_of("cred:secret", text, NULL), ERR_CONFIG);
}

static void a_secret_that_everybody_may_read_is_none(void **state)
{
	AUTO_FREE char *here = getcwd(NULL, 0);
	AUTO_FREE char *file = mem_printf("file:%s/secret", here);
	AUTO_FREE char *folder = mem_printf("file:%s", here);
	AUTO_FREE char *large = mem_new(CONFIG_SECRET_MAX + 2);
	char text[64];
	struct err e = {0};

	(void)state;
	config_file_write("secret", "S3CRET");
	assert_int_equal(chmod("secret", 0640), 0);
	assert_int_equal(secret_of(file, text, &e), 0);
	assert_int_equal(chmod("secret", 0644), 0);
	assert_int_equal(secret_of(file, text, &e), ERR_CONFIG);
	assert_non_null(strstr(e.text, "everybody may read"));
	assert_int_equal(chmod("secret", 0602), 0);
	assert_int_equal(secret_of(file, text, &e), ERR_CONFIG);
	assert_int_equal(chmod("secret", 0600), 0);
	config_file_write("secret", "\n");
	assert_int_equal(secret_of(file, text, &e), ERR_CONFIG);
	memset(large, 'x', CONFIG_SECRET_MAX + 1);
	config_file_write("secret", large);
	assert_int_equal(secret_of(file, text, &e), ERR_CONFIG);
	assert_int_equal(secret_of(folder, text, &e), ERR_CONFIG);
	assert_int_equal(secret_of("S3CRET", text, &e), ERR_CONFIG);
	assert_null(strstr(e.text, "S3CRET"));
}

/* --- anything --- */

/* A byte changed, left out or doubled here and there: whatever that means, it is said with its
 * place, and nobody falls over. */
static void a_damaged_file_is_told_with_its_place(void **state)
{
	const char *given = getenv("EVERLEAF_TEST_SEED");
	unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
	static const char alphabet[] = "\n\t :,{}[]\"'#&*!|>%@`-?~ax0\\\xff";

	(void)state;
	print_message("# EVERLEAF_TEST_SEED=%u\n", seed);
	srandom(seed);
	config_file_write("more.yaml", more);
	for (int round = 0; round < 2000; round++) {
		struct config_errors errors AUTO(config_errors_clear) = {0};
		AUTO_CONFIG struct config *c = NULL;
		char text[sizeof(good)];

		memcpy(text, good, sizeof(good));
		for (long n = random() % 4; n >= 0; n--)
			text[(size_t)random() % (sizeof(good) - 1)] =
				alphabet[(size_t)random() % (sizeof(alphabet) - 1)];
		config_file_write("c.yaml", text);
		c = config_read("c.yaml", 0, &errors);
		for (size_t i = 0; i < errors.count; i++)
			assert_true(errors.items[i].line > 0 && errors.items[i].column > 0);
		assert_true(c->complete || errors.count > 0);
		assert_true(c->left.count == 0 || config_errors_count(&errors, false) > 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_certificate_is_its_own_keys_and_the_defaults),
		cmocka_unit_test(accounts_and_what_is_given_once_are_as_written),
		cmocka_unit_test(what_is_shown_holds_no_secret),
		cmocka_unit_test(the_file_and_the_command_line_write_the_same_wish),
		cmocka_unit_test(without_a_word_it_is_the_only_account_and_port_80),
		cmocka_unit_test(nothing_is_a_configuration_too),
		cmocka_unit_test(a_mistake_leaves_out_one_certificate_and_not_the_others),
		cmocka_unit_test(a_file_that_others_can_change_is_not_read),
		cmocka_unit_test(a_file_that_is_included_is_judged_where_it_is_named),
		cmocka_unit_test(
			an_include_through_a_folder_of_everybodys_is_not_read_and_not_printed),
		cmocka_unit_test(a_configuration_that_is_too_large_is_refused),
		cmocka_unit_test(a_secret_is_read_from_where_the_reference_points),
		cmocka_unit_test(a_secret_that_everybody_may_read_is_none),
		cmocka_unit_test(a_damaged_file_is_told_with_its_place),
	};
	return cmocka_run_group_tests(tests, config_folder_enter, config_folder_leave);
}
