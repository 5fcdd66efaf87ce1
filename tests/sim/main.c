/*
 * sim: random histories against the core, as many as are asked for, on as many processors.
 *
 *   sim --seeds 1-100000            these, and print what they were
 *   sim --minutes 60 --jobs 2       for so long, each worker with seeds of its own
 *   sim --seed 4711                 this one, told step by step
 *   sim --replay FILE|DIRECTORY...  histories that were kept, which have to go well now
 *   sim --list                      what must always hold
 *
 * A history that fails is shrunk and printed as text that --replay takes.
 */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "jobs.h"
#include "report.h"
#include "twin.h"

#define EXIT_USAGE 2

/* --- one at a time --- */

static int tell_one(uint64_t seed)
{
	struct history h;
	struct world w = {.told = stdout};
	bool ok;

	draw_history(seed, &h);
	history_print(&h, stdout);
	ok = twin_run(&w, &h);
	world_fini(&w);
	if (!ok)
		report_failure(&w.failure, seed);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int replay(const char *path)
{
	struct history h;
	struct world w = {0};
	bool ok;

	if (!history_read(path, &h))
		return EXIT_USAGE;
	ok = twin_run(&w, &h);
	world_fini(&w);
	if (ok)
		return EXIT_SUCCESS;
	printf("%s: ", path);
	report_failure(&w.failure, h.seed);
	report_history(&h, &w.failure);
	return EXIT_FAILURE;
}

static int is_history(const struct dirent *entry)
{
	const char *end = strrchr(entry->d_name, '.');

	return entry->d_name[0] != '.' && end && strcmp(end, ".txt") == 0;
}

/* How many were replayed is added to ret_n. */
static int replay_all(const char *path, unsigned *ret_n)
{
	struct dirent **entries;
	int n = scandir(path, &entries, is_history, alphasort), result = EXIT_SUCCESS;

	if (n < 0 && errno == ENOTDIR) {
		++*ret_n;
		return replay(path);
	}
	if (n < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return EXIT_USAGE;
	}
	for (int i = 0; i < n; i++) {
		_cleanup_free_
		char *file = NULL;

		if (asprintf(&file, "%s/%s", path, entries[i]->d_name) < 0)
			result = EXIT_FAILURE;
		else
			result = MAX_OF(replay(file), result);
		free(entries[i]);
		++*ret_n;
	}
	free(entries);
	return result;
}

static int replay_paths(char **paths)
{
	int result = EXIT_SUCCESS;
	unsigned n = 0;

	for (; *paths; paths++)
		result = MAX_OF(replay_all(*paths, &n), result);
	printf("%u histories replayed\n", n);
	return n > 0 ? result : EXIT_USAGE;
}

static int list(void)
{
	for (unsigned i = 0; i < INV_MAX; i++)
		printf("%-20s %s\n", invariant_name((enum invariant)i),
			invariant_sentence((enum invariant)i));
	return EXIT_SUCCESS;
}

static int usage(void)
{
	fprintf(stderr, "usage: sim [--seeds FIRST-LAST] [--minutes N] [--jobs N] [--no-shrink]\n"
			"       sim --seed N | --replay PATH... | --list\n");
	return EXIT_USAGE;
}

static bool read_seeds(const char *text, struct jobs_options *o)
{
	char *end;

	o->first = o->last = strtoull(text, &end, 10);
	if (*end == '-')
		o->last = strtoull(end + 1, &end, 10);
	return *end == '\0' && o->first <= o->last;
}

int main(int argc, char **argv)
{
	enum { SEEDS, MINUTES, JOBS, NO_SHRINK, SEED, REPLAY, LIST };
	static const struct option known[] = {
		{"seeds", required_argument, NULL, SEEDS},
		{"minutes", required_argument, NULL, MINUTES},
		{"jobs", required_argument, NULL, JOBS},
		{"no-shrink", no_argument, NULL, NO_SHRINK},
		{"seed", required_argument, NULL, SEED},
		{"replay", no_argument, NULL, REPLAY},
		{"list", no_argument, NULL, LIST},
		{0},
	};
	struct jobs_options o = {.first = 1, .last = 100000, .jobs = 1, .shrink = true};
	bool has_seeds = false;

	for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
		switch (c) {
		case SEEDS:
			has_seeds = true;
			if (!read_seeds(optarg, &o))
				return usage();
			break;
		case MINUTES:
			o.seconds = strtod(optarg, NULL) * 60;
			break;
		case JOBS:
			o.jobs = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case NO_SHRINK:
			o.shrink = false;
			break;
		case SEED:
			return tell_one(strtoull(optarg, NULL, 10));
		case REPLAY:
			return replay_paths(argv + optind);
		case LIST:
			return list();
		default:
			return usage();
		}
	}
	if (optind != argc || o.jobs == 0 || o.jobs > JOBS_MAX || o.seconds < 0)
		return usage();
	/* Not the same ones each time, where it is for so long and not for so many. */
	if (o.seconds > 0 && !has_seeds) {
		o.first = usec_now(CLOCK_REALTIME);
		o.last = UINT64_MAX - JOBS_MAX;
		printf("seeds from %" PRIu64 "\n", o.first);
	}
	return jobs_run(&o);
}
