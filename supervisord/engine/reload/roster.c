/*
 * Names are made once and sorted once, so that all look-ups of a reload together cost
 * n log n.
 */
#include "engine/reload/roster.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b, void *entries)
{
	const struct roster_entry *e = entries;

	return strcmp(e[*(const uint32_t *)a].name, e[*(const uint32_t *)b].name);
}

int roster_init(struct roster *r, const struct spec *spec)
{
	uint32_t n = 0;

	for (size_t i = 0; i < spec->n_services; i++)
		n += spec->services[i].n_instances;
	*r = (struct roster){0};
	r->entries = calloc(n ? n : 1, sizeof(*r->entries));
	r->by_name = calloc(n ? n : 1, sizeof(*r->by_name));
	if (!r->entries || !r->by_name) {
		roster_fini(r);
		return -ENOMEM;
	}
	for (size_t i = 0; i < spec->n_services; i++) {
		const struct spec_service *s = &spec->services[i];

		for (unsigned k = 1; k <= s->n_instances; k++) {
			struct roster_entry *e = &r->entries[r->n];

			spec_instance_name(s, k, e->name);
			e->spec = s;
			e->instance = k;
			r->by_name[r->n] = r->n;
			r->n++;
		}
	}
	qsort_r(r->by_name, n, sizeof(*r->by_name), compare, r->entries);
	return 0;
}

void roster_fini(struct roster *r)
{
	free(r->entries);
	free(r->by_name);
	*r = (struct roster){0};
}

const struct roster_entry *roster_find(const struct roster *r, const char *name)
{
	uint32_t low = 0, high = r->n;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const struct roster_entry *e = &r->entries[r->by_name[middle]];
		int c = strcmp(name, e->name);

		if (c == 0)
			return e;
		if (c < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}
