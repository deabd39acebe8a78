/* SPDX-License-Identifier: MIT
 *
 * unit — what every unit test includes first: cmocka with the headers it forgets to include.
 */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
