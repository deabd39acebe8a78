/* SPDX-License-Identifier: MIT
 *
 * err — why something failed, and what the caller can do about it.
 *
 * The only error type of the project. A function that can fail returns 0 or one of the negative
 * codes below and takes a `struct err *` last. On success the struct is untouched; on failure it
 * holds one sentence that an operator can act on. It is saved with the row it belongs to, so that
 * `status` can still explain it tomorrow.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdint.h>

/* Named by what the caller can do, not by where it happened. */
enum err_code {
	ERR_NONE = 0,
	ERR_NET = -1,      /* no usable answer: again later, same request */
	ERR_BUSY = -2,     /* the other side asked for time: not before retry_at */
	ERR_PROBLEM = -3,  /* the CA refused, and repeating will not help */
	ERR_CONFIG = -4,   /* the operator has to change something */
	ERR_STORE = -5,    /* nothing was saved: treat like a crash */
	ERR_CHILD = -6,    /* a program we started failed */
	ERR_PROTOCOL = -7, /* an answer that the RFC does not allow */
	ERR_SYS = -8,      /* the system refused (errno is in the text) */
	ERR_BUG = -9,      /* ours; stops the process after it is logged */
	ERR_CODES = 10,    /* how many there are */
};

/* What steers us beyond the code: our own words. No text from outside ever becomes one of them. */
enum err_cause {
	CAUSE_NONE = 0,
	CAUSE_INTERRUPTED,     /* nobody's fault: the order is replaced at once */
	CAUSE_CHANGED,         /* the same, because something else is wanted */
	CAUSE_LOST,            /* the row is another process's by now */
	CAUSE_ORDER_TAKEN,     /* the CA's order is another live row's */
	CAUSE_BAD_NONCE,       /* the session's tries are used up */
	CAUSE_CONNECTION_LOST, /* a connection in use was closed before the answer */
	CAUSE_NO_RENEWAL_INFO, /* the CA's directory offers none */
	CAUSE_ACCOUNT_REFUSED, /* the CA has the account, and it is not to be used */
	CAUSE_OTHER_KEY,       /* the certificate is for another key than ours */
	CAUSE_USAGE,           /* the command line */
	CAUSE_HELD,            /* another program has the store: nothing was begun */
	CAUSE_REPLACED,        /* the store's files are not those that are open */
	ERR_CAUSES,            /* how many */
};

struct err {
	enum err_code code;
	enum err_cause cause;
	int64_t retry_at; /* Unix seconds, ERR_BUSY only, else 0 */
	char type[64];    /* the CA's problem type without its URN prefix, or "" (RFC 8555 6.7) */
	char text[1024];  /* one sentence, printable, never a secret; room for a CA's long URL */
};

/* Sets *e (code and text; cause, retry_at and type become empty) and returns code, so that a
 * failing line is one statement: return err_set(e, ERR_CONFIG, "%s is not a directory", path); Text
 * that does not fit is cut at a character and ends in "…". Bytes that are not printable UTF-8, C1
 * controls and bidi controls are escaped as \xNN: CA and hook output may be passed as arguments. e
 * may be NULL. */
int err_set(struct err *e, enum err_code code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Like err_set, and appends ": " and strerror(errno) as it was at the call. */
int err_sys(struct err *e, enum err_code code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts what we were doing in front of the text: "while reading order 17: …". Returns e->code
 * (ERR_BUG when e is NULL). */
int err_while(struct err *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Adds the cause to what err_set has just set; returns e->code (ERR_BUG when e is NULL). */
int err_because(struct err *e, enum err_cause cause);

/* A cause's name ("interrupted"), "" for CAUSE_NONE; and back, CAUSE_NONE for any other text. */
const char *err_cause_name(enum err_cause cause);
enum err_cause err_cause_parse(const char *name);

/* The code's name in lower case ("net", "busy", …), for logs and JSON. Never NULL. */
const char *err_code_name(enum err_code code);

/* The code of a name written by err_code_name; ERR_NONE for any other text. */
enum err_code err_code_parse(const char *name);

#endif
