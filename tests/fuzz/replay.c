/*
 * main() for a fuzz target without libFuzzer: gives it every file of the directories (or the
 * files) named, in the order of their names. A target that is not content ends the process;
 * what it was given then is the last line on stderr.
 */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool replay(const char *path)
{
	struct stat st;
	FILE *f = fopen(path, "re");
	uint8_t *data = NULL;
	size_t n = 0;
	bool ok = f && fstat(fileno(f), &st) == 0;

	if (ok) {
		n = (size_t)st.st_size;
		data = malloc(n); /* of just that size, for the sanitizer */
		ok = (data || n == 0) && fread(data, 1, n, f) == n;
	}
	if (!ok)
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
	if (f)
		fclose(f);
	if (ok) {
		fprintf(stderr, "%s\n", path);
		LLVMFuzzerTestOneInput(data, n);
	}
	free(data);
	return ok;
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* How many files were replayed; -1 where one could not be read. */
static int replay_all(const char *path)
{
	struct dirent **entries;
	int n = scandir(path, &entries, is_visible, alphasort), result = n;

	if (n < 0)
		return replay(path) ? 1 : -1;
	for (int i = 0; i < n; i++) {
		_cleanup_free_
		char *file = NULL;

		if (asprintf(&file, "%s/%s", path, entries[i]->d_name) < 0 || !replay(file))
			result = -1;
		free(entries[i]);
	}
	free(entries);
	return result;
}

int main(int argc, char **argv)
{
	int total = 0;

	for (int i = 1; i < argc; i++) {
		int n = replay_all(argv[i]);

		if (n < 0)
			return EXIT_FAILURE;
		total += n;
	}
	if (total == 0) {
		fprintf(stderr, "nothing to replay\n");
		return EXIT_FAILURE;
	}
	printf("%d inputs\n", total);
	return EXIT_SUCCESS;
}
