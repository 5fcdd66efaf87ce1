/*
 * Services that read what another one writes: only when all are known it can be seen whether there
 * is that one, which learns here that it is read.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "conf/links/links.h"
#include "conf/text/text.h"

/* A service that takes the value from defaults does not mean itself. */
static void forget(struct spec_service *s)
{
	s->stdin_name = NULL;
	s->stdin_kind = SPEC_STDIN_NULL;
}

/* 1: nothing more is to be said about it. */
static int check_instance(
	struct links *l, size_t service, unsigned instance, const struct value *v, bool own)
{
	struct spec_service *services = l->b->spec->services;
	const char *text = services[service].stdin_name, *name = text;
	bool many = text_has_placeholder(text);
	_cleanup_free_
	char *expanded = many ? spec_expand(text, &services[service], instance) : NULL;
	struct said said = {0};
	size_t from;
	int r;

	if (many && !expanded)
		return -ENOMEM;
	if (many)
		name = expanded;
	/* a name that is made here is another one in each service, also from defaults */
	r = links_resolve(l, v, own || many, name, &said);
	if (r != 0)
		return r;
	from = l->service_of[said.to];
	if (from == service) {
		if (own)
			value_error(l->b->errors, v, "'%.80s' is this service itself", name);
		else
			forget(&services[service]);
		return 1;
	}
	services[from].feeds = true;
	return 0;
}

int links_check_input(struct links *l)
{
	for (size_t i = 0; i < l->b->spec->n_services; i++) {
		const struct spec_service *s = &l->b->spec->services[i];
		const struct value *own = section_find(&l->b->services[i], SERVICE_STDIN), *v = own;
		unsigned n = 1;
		int r = 0;

		if (s->stdin_kind != SPEC_STDIN_SERVICE)
			continue;
		if (!v)
			v = section_find(&l->b->defaults, SERVICE_STDIN);
		if (text_has_placeholder(s->stdin_name))
			n = s->n_instances;
		for (unsigned instance = 1; instance <= n && r == 0; instance++)
			r = check_instance(l, i, instance, v, own);
		if (r < 0)
			return r;
	}
	return 0;
}
