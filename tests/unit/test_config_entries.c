/* SPDX-License-Identifier: MIT
 *
 * test_config_entries — what is wrong with accounts, solvers, deployers and what is given once.
 */
#include "tests/unit/config_files.h"

#include "tests/unit.h"

#define LE "accounts: {le: {server: letsencrypt}}\n"

static const struct config_case rows[] = {
	/* --- accounts --- */

	/* a short name with a slip */
	{"accounts: {le: {server: letsencrpt}}\n",
	 "c.yaml:1:25: \"letsencrpt\" is no CA's short name and no https URL (did you mean "
	 "\"letsencrypt\"?)",
	 {NULL}},
	/* no CA */
	{"accounts: {le: {server: example.org}}\n",
	 "c.yaml:1:25: \"example.org\" is no CA's short name and no https URL",
	 {NULL}},
	/* not https */
	{"accounts: {le: {server: 'http://ca.test/dir'}}\n",
	 "c.yaml:1:25: the URL \"http://ca.test/dir\" cannot be used: it does not begin with "
	 "https://",
	 {NULL}},
	/* a contact that is none */
	{"accounts: {le: {server: le, contact: [a@b.test, 'mailto:c@d.test']}}\n",
	 "c.yaml:1:49: \"contact\" has to be a mail address, not \"mailto:c@d.test\"",
	 {NULL}},
	/* the same contact twice */
	{"accounts: {le: {server: le, contact: [a@b.test, a@b.test]}}\n",
	 "c.yaml:1:49: \"a@b.test\" stands twice in \"contact\"",
	 {NULL}},
	/* a relative bundle */
	{"accounts: {le: {server: le, ca-bundle: ca.pem}}\n",
	 "c.yaml:1:40: \"ca-bundle\" has to be a full path, starting with /, not \"ca.pem\"",
	 {NULL}},
	/* a bundle that is missing is a warning */
	{"accounts: {le: {server: le, ca-bundle: /nonexistent/ca.pem}}\n",
	 "c.yaml:1:40: warning: the CA bundle /nonexistent/ca.pem cannot be read: No such file or "
	 "directory",
	 {NULL}},
	/* half an external account binding */
	{"accounts: {le: {server: zerossl, eab: {kid: x}}}\n",
	 "c.yaml:1:39: \"eab\" has no \"hmac-key\"",
	 {NULL}},
	/* a secret itself is not repeated */
	{"accounts: {le: {server: zerossl, eab: {kid: x, hmac-key: S3CRET}}}\n",
	 "c.yaml:1:58: a secret does not stand here itself: write file:/path, env:NAME or "
	 "cred:NAME (a credential of systemd's)",
	 {NULL}},
	/* a secret's key with a slip */
	{"accounts: {le: {server: zerossl, eab: {kid: x, hmac_key: S3CRET}}}\n",
	 "c.yaml:1:39: \"eab\" has no \"hmac-key\"\n"
	 "c.yaml:1:48: \"hmac_key\" is no key of \"eab\" (did you mean \"hmac-key\"?)",
	 {NULL}},
	/* a relative file */
	{"accounts: {le: {server: le, key: 'file:key.pem'}}\n",
	 "c.yaml:1:34: after file: stands a full path, starting with /",
	 {NULL}},
	/* a variable that is none */
	{"accounts: {le: {server: le, key: 'env:A-B'}}\n",
	 "c.yaml:1:34: after env: stands the name of a variable: letters, digits and _",
	 {NULL}},
	/* a path for a credential */
	{"accounts: {le: {server: le, key: 'cred:../x'}}\n",
	 "c.yaml:1:34: after cred: stands the name of a credential, without / and not beginning "
	 "with a full stop",
	 {NULL}},
	/* a file that is not there */
	{"accounts: {le: {server: le, key: 'file:/nonexistent/key.pem'}}\n",
	 "c.yaml:1:34: cannot open /nonexistent/key.pem: No such file or directory",
	 {NULL}},
	/* a variable that is not there is a warning */
	{"accounts: {le: {server: le, key: 'env:EVERLEAF_NO_SUCH'}}\n",
	 "c.yaml:1:34: warning: EVERLEAF_NO_SUCH is not in the environment",
	 {NULL}},
	/* --- solvers and deployers --- */

	/* no type */
	{"solvers: {w: {directory: /tmp}}\n", "c.yaml:1:14: solver \"w\" has no \"type\"", {NULL}},
	/* a type with a slip */
	{"solvers: {w: {type: webrot, directory: /tmp}}\n",
	 "c.yaml:1:21: \"type\" has to be webroot, standalone or exec, not \"webrot\" (did you "
	 "mean \"webroot\"?)",
	 {NULL}},
	/* a type of deployers */
	{"solvers: {w: {type: files, directory: /tmp}}\n",
	 "c.yaml:1:21: \"type\" has to be webroot, standalone or exec, not \"files\"",
	 {NULL}},
	/* a key of another type */
	{"solvers: {w: {type: webroot, directory: /tmp, port: 80}}\n",
	 "c.yaml:1:47: \"port\" is no key of solver \"w\"",
	 {NULL}},
	/* a webroot without one */
	{"solvers: {w: {type: webroot}}\n",
	 "c.yaml:1:14: solver \"w\" has no \"directory\"",
	 {NULL}},
	/* a relative webroot */
	{"solvers: {w: {type: webroot, directory: www}}\n",
	 "c.yaml:1:41: \"directory\" has to be a full path, starting with /, not \"www\"",
	 {NULL}},
	/* a webroot that is missing is a warning */
	{"solvers: {w: {type: webroot, directory: /nonexistent}}\n",
	 "c.yaml:1:11: warning: the webroot /nonexistent does not exist: make it, or correct its "
	 "path",
	 {NULL}},
	/* an address that is a name */
	{"solvers: {s: {type: standalone, address: localhost}}\n",
	 "c.yaml:1:42: \"address\" has to be an IP address, not \"localhost\"",
	 {NULL}},
	/* a command as one text */
	{"deployers: {d: {type: exec, command: /usr/sbin/nginx -s reload}}\n",
	 "c.yaml:1:38: \"command\" has to be a list of a program and its arguments, like "
	 "[/usr/sbin/nginx, -s, reload], not a text",
	 {NULL}},
	/* a command without a path */
	{"deployers: {d: {type: exec, command: [nginx, -s, reload]}}\n",
	 "c.yaml:1:39: the program \"nginx\" has to be given by its full path, starting with /",
	 {NULL}},
	/* no command */
	{"deployers: {d: {type: exec, command: []}}\n",
	 "c.yaml:1:38: \"command\" names no program",
	 {NULL}},
	/* nothing to run */
	{"deployers: {d: {type: exec, check: [/bin/true]}}\n",
	 "c.yaml:1:16: deployer \"d\" has neither \"command\" nor \"reload\"",
	 {NULL}},
	/* both ways to run something */
	{"deployers: {d: {type: exec, reload: [/bin/true, 'x={name}']}}\n",
	 "c.yaml:1:37: deployer \"d\": \"reload\" is run once for all certificates, so there is no "
	 "{name} in it; \"command\" is run for each",
	 {NULL}},
	/* of both there is one too many */
	{"deployers: {d: {type: exec, command: [/bin/true], reload: [/bin/true]}}\n",
	 "c.yaml:1:59: deployer \"d\" has \"command\" and \"reload\": leave out one of them",
	 {NULL}},
	/* a reload that is a slip of the pen, and so no reload */
	{"deployers: {d: {type: exec, relod: [/bin/true]}}\n",
	 "c.yaml:1:16: deployer \"d\" has neither \"command\" nor \"reload\"\n"
	 "c.yaml:1:29: \"relod\" is no key of deployer \"d\" (did you mean \"reload\"?)",
	 {NULL}},
	/* a reload as one text */
	{"deployers: {d: {type: exec, reload: /usr/sbin/nginx -s reload}}\n",
	 "c.yaml:1:37: \"reload\" has to be a list of a program and its arguments, like "
	 "[/usr/sbin/nginx, -s, reload], not a text",
	 {NULL}},
	/* a reload and a check that are missing are warnings */
	{"deployers: {d: {type: exec, reload: [/nonexistent/x], check: [/nonexistent/y, -t]}}\n",
	 "c.yaml:1:38: warning: cannot run /nonexistent/x: No such file or directory\n"
	 "c.yaml:1:63: warning: cannot run /nonexistent/y: No such file or directory",
	 {NULL}},
	/* a reload is none of files' */
	{"deployers: {d: {type: files, directory: /tmp/x, reload: [/bin/true]}}\n",
	 "c.yaml:1:49: \"reload\" is no key of deployer \"d\"",
	 {NULL}},
	/* a word that is a list */
	{"deployers: {d: {type: exec, command: [/bin/true, [x]]}}\n",
	 "c.yaml:1:50: \"command\" has to be a text, not a list",
	 {NULL}},
	/* a program that is missing is a warning */
	{"deployers: {d: {type: exec, command: [/nonexistent/x]}}\n",
	 "c.yaml:1:39: warning: cannot run /nonexistent/x: No such file or directory",
	 {NULL}},
	/* a mode for everybody */
	{"deployers: {d: {type: files, directory: /tmp/x, mode: 0644}}\n",
	 "c.yaml:1:55: mode 0644 is not one for a private key: only owner and group may read or "
	 "write it (0600, 0640, …)",
	 {NULL}},
	/* a mode in letters */
	{"deployers: {d: {type: files, directory: /tmp/x, mode: rw}}\n",
	 "c.yaml:1:55: mode \"rw\" is not a number like 0640",
	 {NULL}},
	/* a user that is missing is a warning */
	{"deployers: {d: {type: files, directory: /tmp/x, owner: nobody-here}}\n",
	 "c.yaml:1:13: warning: there is no user \"nobody-here\" to own the files",
	 {NULL}},
	/* a proof without a port */
	{"deployers: {d: {type: exec, command: [/bin/true], prove: localhost}}\n",
	 "c.yaml:1:58: \"prove\" has to be HOST:PORT, not \"localhost\"",
	 {NULL}},
	/* a window without a day that is one */
	{"deployers: {d: {type: exec, command: [/bin/true], window: Mo-Fr 02:00-05:00}}\n",
	 "c.yaml:1:59: \"Mo-Fr 02:00-05:00\" is no range of a window, like \"Mon-Fri 02:00-05:00\"",
	 {NULL}},
	/* a window that never is */
	{"deployers: {d: {type: exec, command: [/bin/true], window: '02:00-02:00'}}\n",
	 "c.yaml:1:59: \"02:00-02:00\" is no range of a window, like \"Mon-Fri 02:00-05:00\"",
	 {NULL}},
	/* --- the rest --- */

	/* a listener by name */
	{"metrics: {listen: 'localhost:9090'}\n",
	 "c.yaml:1:19: \"listen\" has to be ADDRESS:PORT or unix:/path, not \"localhost:9090\"",
	 {NULL}},
	/* a text file by a relative path */
	{"metrics: {textfile: x.prom}\n",
	 "c.yaml:1:21: \"textfile\" has to be a full path, starting with /, not \"x.prom\"",
	 {NULL}},
	/* a format with a slip */
	{"log: {format: jsn}\n",
	 "c.yaml:1:15: \"format\" has to be text, kv or json, not \"jsn\" (did you mean "
	 "\"json\"?)",
	 {NULL}},
	/* a notifier without a program */
	{"notify: {}\n", "c.yaml:1:9: \"notify\" has no \"command\"", {NULL}},
	/* a notifier as a text */
	{"notify: mail\n",
	 "c.yaml:1:9: \"notify\" has to be a map of keys and values, not a text",
	 {NULL}},
};

static void every_mistake_in_an_entry_is_told_with_its_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		config_case_check(&rows[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_mistake_in_an_entry_is_told_with_its_place),
	};
	return cmocka_run_group_tests(tests, config_folder_enter, config_folder_leave);
}
