/* SPDX-License-Identifier: MIT
 *
 * fuzz — what a fuzz target is: one file with one function, which gets bytes that anybody may have
 * made up, and says by FUZZ_MUST what holds whatever they are. libFuzzer calls it by the million
 * (make fuzz); replay.c calls it for every file of corpus/NAME (make check).
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_MUST(condition)                                                                       \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);    \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

#endif
