/*
 * A failure as text: what does not hold, the history that shows it, which can be put into the
 * corpus as it is, and what happens in it, step by step.
 */
#include "report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "shrink.h"
#include "twin.h"

void report_failure(const struct failure *f, uint64_t seed)
{
	printf("seed %" PRIu64 ": '%s' does not hold for service %u at operation %u: %s\n", seed,
		invariant_name(f->invariant), f->service, f->n_op, f->what);
}

/* A history as text, what it breaks, and the run as it goes, as comments. */
void report_history(const struct history *h, const struct failure *f)
{
	struct world w = {0};
	_cleanup_free_
	char *told = NULL;
	size_t size;
	FILE *to = open_memstream(&told, &size);

	printf("# %s: %s\n# %s\n", invariant_name(f->invariant), invariant_sentence(f->invariant),
		f->what);
	history_print(h, stdout);
	if (!to)
		return;
	w.told = to;
	twin_run(&w, h);
	world_fini(&w);
	fclose(to);
	for (char *line = told, *end; line && *line; line = end + 1) {
		end = strchrnul(line, '\n');
		printf("# %.*s\n", (int)(end - line), line);
		if (*end == '\0')
			break;
	}
}

void report_shrunk(const struct history *h, const struct failure *f, bool shrinks)
{
	struct history small = *h;
	struct world w = {0};
	unsigned n_runs = 0;

	report_failure(f, h->seed);
	if (shrinks) {
		n_runs = shrink(&small, f->invariant);
		printf("# shrunk to %u operations in %u runs\n", small.n_ops, n_runs);
	}
	twin_run(&w, &small);
	report_history(&small, w.failure.invariant == INV_MAX ? f : &w.failure);
	world_fini(&w);
	fflush(stdout);
}
