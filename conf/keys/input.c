/*
 * Where a service's stdin comes from. Only when all services are known it can be seen whether there
 * is the one whose output another one is to read; that one learns here that it is read.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "conf/keys/service.h"
#include "conf/links/links.h"
#include "conf/text/text.h"

static const char *check_path(const char *text)
{
	if (text[0] != '/')
		return "is not allowed; allowed: an absolute path";
	return strlen(text) < PATH_MAX ? NULL : "is too long for a path";
}

static const char *check_link(const char *text)
{
	return depend_is_link(text)
		       ? NULL
		       : "is not the name of a service; allowed: such as web, or web@2";
}

int input_set(struct making *m, const struct value *v)
{
	static const struct {
		const char *prefix;
		enum spec_stdin kind;
		const char *(*check)(const char *text);
	} kinds[] = {
		{"fifo:", SPEC_STDIN_FIFO, check_path},
		{"file:", SPEC_STDIN_FILE, check_path},
		{"service:", SPEC_STDIN_SERVICE, check_link},
	};
	const char *text = v->strings[0];

	if (strcmp(text, "null") == 0)
		return 0;
	for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
		size_t n = strlen(kinds[i].prefix);
		int r;

		if (strncmp(text, kinds[i].prefix, n) != 0)
			continue;
		r = service_check_text(m, v, text + n, kinds[i].check);
		if (r < 0)
			return r == -EINVAL ? 0 : r;
		m->s->stdin_name = strdup(text + n);
		if (!m->s->stdin_name)
			return -ENOMEM;
		m->s->stdin_kind = kinds[i].kind;
		return 0;
	}
	value_error(m->b->errors, v,
		"'%.80s' is not allowed; allowed: null, fifo:PATH, file:PATH, service:NAME", text);
	return 0;
}

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

int input_check(struct links *l)
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
