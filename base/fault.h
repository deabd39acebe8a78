/* SPDX-License-Identifier: MIT
 *
 * fault — named points at which a test makes the process die.
 *
 * Release builds contain nothing of it. Built with -DEVERLEAF_FAULT, every FAULT("module.what")
 * counts one; the one whose number is in $EVERLEAF_FAULT_KILL ends the process by SIGKILL, and
 * with $EVERLEAF_FAULT_TRACE set each is appended to that file as a line "NUMBER NAME".
 */
#ifndef BASE_FAULT_H
#define BASE_FAULT_H

#ifdef EVERLEAF_FAULT
void fault_point(const char *name);
#define FAULT(name) fault_point(name)
#else
#define FAULT(name) ((void)0)
#endif

#endif
