/* SPDX-License-Identifier: MIT
 *
 * replay — runs a fuzz target over every file of its corpus, $FUZZ_CORPUS/NAME for the program
 * fuzz_NAME, and says so in TAP. A corpus that is empty or not there fails.
 */
#include "tests/fuzz/fuzz.h"

#include "base/file.h"
#include "base/mem.h"

#include <dirent.h>
#include <string.h>

#define MAX_FILE (1024 * 1024)

static size_t replay(const char *folder)
{
	const struct dirent *entry;
	size_t count = 0;
	DIR *d = opendir(folder);

	while (d != NULL && (entry = readdir(d)) != NULL) {
		AUTO_FREE char *path = mem_printf("%s/%s", folder, entry->d_name);
		struct buf data AUTO_BUF = {0};
		AUTO_FREE uint8_t *input = NULL;

		if (entry->d_name[0] == '.')
			continue;
		buf_init(&data, MAX_FILE);
		FUZZ_MUST(file_read(path, &data, NULL) == 0);
		input = mem_new(data.len); /* without the NUL behind it that a buffer has */
		memcpy(input, data.data, data.len);
		(void)LLVMFuzzerTestOneInput(input, data.len);
		count++;
	}
	if (d != NULL)
		closedir(d);
	return count;
}

int main(int argc, char **argv)
{
	const char *corpus = getenv("FUZZ_CORPUS");
	const char *name = argc > 0 ? strstr(argv[0], "fuzz_") : NULL;
	AUTO_FREE char *folder = NULL;
	size_t count;

	if (corpus == NULL || name == NULL) {
		fprintf(stderr, "FUZZ_CORPUS is not set\n");
		return 2;
	}
	folder = mem_printf("%s/%s", corpus, name + strlen("fuzz_"));
	count = replay(folder);
	printf("1..1\n%s 1 - %zu inputs of %s\n", count > 0 ? "ok" : "not ok", count, name);
	return count > 0 ? 0 : 1;
}
