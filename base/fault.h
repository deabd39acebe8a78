/* SPDX-License-Identifier: MIT
 *
 * fault — named points at which a test makes the process die, a call fail, or time pass.
 *
 * Release builds contain nothing of it. Built with -DEVERLEAF_FAULT, each FAULT("module.what") and
 * each FAULT_FAILS("module.what") that is passed counts one for its name, and the environment says
 * what follows:
 *
 *     EVERLEAF_FAULT_KILL=NAME:N    when NAME is passed for the N-th time, SIGKILL
 *     EVERLEAF_FAULT_FAIL=NAME:N    … the call behind it fails, if it is a FAULT_FAILS
 *     EVERLEAF_FAULT_ERRNO=E   … with this errno (a number; EIO when it is not set)
 *     EVERLEAF_FAULT_TRACE=F   each is appended to the file F: "NAME", and "NAME fails" for those
 *                              that can
 *     EVERLEAF_FAULT_CLOCK=F   the clock is ahead by as many seconds as stand in the file F, which
 *                              may change at any time
 *     EVERLEAF_FAULT_HURRY=1   a wait for nothing but the clock is cut short, and the clock put
 *                              ahead by what was left of it
 */
#ifndef BASE_FAULT_H
#define BASE_FAULT_H

#include <stdbool.h>
#include <stdint.h>

#ifdef EVERLEAF_FAULT
void fault_point(const char *name);
bool fault_fails(const char *name);
int64_t fault_ahead_ms(void);
int64_t fault_wait_ms(int64_t ms);
void fault_waited(void);
#define FAULT(name) fault_point(name)
/* Stands in front of the call that it makes fail: if (FAULT_FAILS("a.b") || fsync(fd) != 0) … */
#define FAULT_FAILS(name) fault_fails(name)
#define FAULT_AHEAD_MS()  fault_ahead_ms()  /* of every clock */
#define FAULT_WAIT_MS(ms) fault_wait_ms(ms) /* how long a wait of ms really lasts, … */
#define FAULT_WAITED()    fault_waited()    /* … and that it came to its end undisturbed */
#else
#define FAULT(name)       ((void)0)
#define FAULT_FAILS(name) false
#define FAULT_AHEAD_MS()  INT64_C(0)
#define FAULT_WAIT_MS(ms) (ms)
#define FAULT_WAITED()    ((void)0)
#endif

#endif
