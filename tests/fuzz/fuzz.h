/* SPDX-License-Identifier: MIT
 *
 * fuzz — what every fuzz target includes first.
 *
 * A target is one file with one function, LLVMFuzzerTestOneInput: it gives what came to the code
 * under test and checks what must hold of every answer, not only that nothing crashed. Linked with
 * libFuzzer it is a fuzzer (`make fuzz`); linked with replay.c it is a test that gives it each
 * file of its corpus (`make check`).
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the process, with the place and the condition, when it does not hold. So do the others. */
#define FUZZ_MUST(condition) ((condition) ? (void)0 : fuzz_broken(__FILE__, __LINE__, #condition))

void fuzz_broken(const char *file, int line, const char *condition) __attribute__((noreturn));

/* The input as a string: all of it up to the first NUL. The caller frees it. */
char *fuzz_text(const uint8_t *data, size_t size);

/* Well-formed UTF-8 without controls, line breaks and bidi controls, of less than size bytes. */
void fuzz_must_be_shown(const char *text, size_t size);

/* The answer r of a function with the error e (all zero before): both 0, or both code and a
 * sentence that can be shown. */
void fuzz_must_answer(int r, const struct err *e, enum err_code code);

/* https, bounded, and without a byte that could end a line or a header. */
void fuzz_must_be_url(const char *url);

/* Canonical as acme/identifier.h says, and its own canonical form. */
void fuzz_must_be_name(const char *name);

#endif
