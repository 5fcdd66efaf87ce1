/*
 * Lists of other services. Here only what a list says by itself is looked at; whether there are
 * such services is seen in links.c, when all are known. A service that stands in a list of
 * defaults does not mean itself.
 */
#include "conf/keys/service/depend.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "conf/keys/convert.h"
#include "conf/text/text.h"
#include "conf/values/map.h"
#include "conf/values/strv.h"

static char ***list_of(struct spec_service *s, const struct value *v)
{
	switch (v->key->id) {
	case SERVICE_REQUIRES:
		return &s->links->requires
		;
	case SERVICE_WANTS:
		return &s->links->wants;
	case SERVICE_AFTER:
		return &s->links->after;
	case SERVICE_BEFORE:
		return &s->links->before;
	default:
		return &s->links->conflicts;
	}
}

bool depend_is_link(const char *text)
{
	size_t n = strcspn(text, "@");
	char name[SPEC_NAME_MAX + 1];
	uint64_t instance;

	if (n >= sizeof(name))
		return false;
	memcpy(name, text, n);
	name[n] = '\0';
	if (!text_is_name(name))
		return false;
	return text[n] == '\0' ||
	       (text[n + 1] != '0' && parse_u64(text + n + 1, SPEC_MAX_INSTANCES, &instance) == 0);
}

static bool names_itself(const struct making *m, const char *link)
{
	size_t n = strcspn(link, "@");

	return m->s->name && strncmp(m->s->name, link, n) == 0 && m->s->name[n] == '\0';
}

/* Is the name to be kept? If not, and that is a mistake, it is told. */
static bool take_link(
	struct making *m, const struct value *v, struct map *seen, const char *link, int *ret_error)
{
	struct conf_errors *errors = m->b->errors;

	*ret_error = 0;
	if (!depend_is_link(link)) {
		value_error(errors, v,
			"'%.80s' is not the name of a service; allowed: such as web, or web@2",
			link);
		return false;
	}
	if (names_itself(m, link)) {
		if (making_is_own(m, v))
			value_error(errors, v, "'%.80s' is this service itself", link);
		return false;
	}
	*ret_error = map_put(seen, link, 0);
	if (*ret_error == -EEXIST) {
		value_error(errors, v, "'%.80s' is given twice", link);
		*ret_error = 0;
		return false;
	}
	return *ret_error == 0;
}

int depend_set_links(struct making *m, const struct value *v)
{
	char ***list = list_of(m->s, v);
	struct map seen = {0};
	size_t n = 0;
	int r = 0;

	if (v->n > SPEC_MAX_LINKS) {
		value_error(m->b->errors, v, "more than %d services", SPEC_MAX_LINKS);
		return 0;
	}
	if (m->own && m->b->n_links + v->n > SPEC_MAX_ALL_LINKS) {
		value_error(m->b->errors, v, "all such lists together hold more than %d names",
			SPEC_MAX_ALL_LINKS);
		return 0;
	}
	if (m->own)
		m->b->n_links += v->n;
	for (size_t i = 0; i < v->n && r == 0; i++) {
		if (take_link(m, v, &seen, v->strings[i], &r))
			r = strv_take(list, &n, strdup(v->strings[i]));
	}
	map_fini(&seen);
	return r;
}

/* An empty one takes back that of defaults. Whether it exists is seen in pools.c. */
int depend_set_pool(struct making *m, const struct value *v)
{
	if (v->strings[0][0] == '\0')
		return 0;
	m->s->links->pool = strdup(v->strings[0]);
	return m->s->links->pool ? 0 : -ENOMEM;
}
