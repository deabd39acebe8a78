/* SPDX-License-Identifier: MIT
 *
 * replay — main() of a fuzz target that is linked without libFuzzer: gives it the files that are
 * named, or else each file of $FUZZ_CORPUS/NAME for the program fuzz_NAME, and says in TAP that all
 * of them held. One that does not hold ends the process; its name is the last line.
 */
#include "tests/fuzz/fuzz.h"

#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILE (1024 * 1024)

/* The input is a block of its own size, so that a byte read behind its end is seen. */
static void replay(const char *path)
{
	static char whole[MAX_FILE];
	AUTO_FREE uint8_t *data = NULL;
	FILE *file = fopen(path, "rb");
	size_t size;

	printf("# %s\n", path);
	fflush(stdout);
	FUZZ_MUST(file != NULL);
	size = fread(whole, 1, sizeof(whole), file);
	FUZZ_MUST(ferror(file) == 0 && size < sizeof(whole));
	fclose(file);
	data = mem_new(size);
	memcpy(data, whole, size);
	LLVMFuzzerTestOneInput(data, size);
}

static int replay_folder(const char *folder)
{
	struct dirent **entries = NULL;
	int count = scandir(folder, &entries, NULL, alphasort);
	int files = 0;

	for (int i = 0; i < count; i++) {
		AUTO_FREE struct dirent *entry = entries[i];
		AUTO_FREE char *path = mem_printf("%s/%s", folder, entry->d_name);

		if (entry->d_name[0] == '.')
			continue;
		replay(path);
		files++;
	}
	free(entries);
	return files;
}

int main(int argc, char **argv)
{
	const char *name = program_invocation_short_name;
	const char *corpus = getenv("FUZZ_CORPUS");
	AUTO_FREE char *folder = NULL;
	int files = argc - 1;

	FUZZ_MUST(strncmp(name, "fuzz_", 5) == 0);
	name += 5;
	folder = mem_printf("%s/%s", corpus != NULL ? corpus : "tests/fuzz/corpus", name);
	for (int i = 1; i < argc; i++)
		replay(argv[i]);
	if (argc == 1)
		files = replay_folder(folder);
	printf("1..1\n%s 1 - %s holds for %d inputs\n", files > 0 ? "ok" : "not ok", name, files);
	return files > 0 ? 0 : 1;
}
