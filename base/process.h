/* SPDX-License-Identifier: MIT
 *
 * process — other processes of this machine, as an operator knows them.
 */
#ifndef BASE_PROCESS_H
#define BASE_PROCESS_H

#include <stddef.h>

#define PROCESS_TEXT 64 /* fits what process_text writes */

/* "python3 (pid 12)"; "a process (pid 12)" when its name cannot be read. Printable. */
void process_text(long pid, char *text, size_t size);

#endif
