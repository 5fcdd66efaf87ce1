/*
 * Names first, through a map. Then each definition that was added is looked up by its
 * whole text among those that were removed: two that say the same write the same text, and
 * any number of equal ones form a chain, so that all of it stays linear.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "conf/diff/diff.h"
#include "conf/diff/diff_rules.h"
#include "conf/values/map.h"
#include "conf/values/strv.h"
#include "conf/write.h"

#define NONE SIZE_MAX

/* Indices are those of `before`. */
struct matching {
	const struct spec *before, *after;
	struct diff_pair *pairs;
	size_t n_pairs;
	bool *used;
	struct map texts; /* what removed ones say -> the first that says so */
	char **keys; /* of that map */
	size_t n_keys;
	size_t *next; /* the one that says the same, or NONE */
	size_t *head, *tail; /* of a chain, at the index of its first one */
};

static void matching_fini(struct matching *m)
{
	free(m->pairs);
	free(m->used);
	map_fini(&m->texts);
	strv_free(m->keys);
	free(m->next);
	free(m->head);
	free(m->tail);
}

static int matching_init(struct matching *m, const struct spec *before, const struct spec *after)
{
	size_t n = before->n_services + 1; /* nothing has a size of nothing */

	*m = (struct matching){
		.before = before,
		.after = after,
		.pairs = calloc(n + after->n_services, sizeof(*m->pairs)),
		.used = calloc(n, sizeof(*m->used)),
		.next = calloc(n, sizeof(*m->next)),
		.head = calloc(n, sizeof(*m->head)),
		.tail = calloc(n, sizeof(*m->tail)),
	};
	return m->pairs && m->used && m->next && m->head && m->tail ? 0 : -ENOMEM;
}

/* All that a definition says, its name apart. Values hold no newline. */
static int write_definition(const struct spec_service *s, char **ret_text)
{
	_cleanup_buf_ struct buf text = {0};
	const struct diff_rule *rules;
	size_t n;
	int r = 0;

	rules = diff_service_rules(&n);
	for (size_t i = 0; i < n && r == 0; i++) {
		/* a number that an operator has chosen goes with the name */
		if (rules[i].is_count)
			r = s->has_instances ? write_number(&text, s->n_configured) : 0;
		else
			r = rules[i].write(&rules[i], s, s, &text);
		if (r == 0)
			r = buf_append(&text, SIZE_MAX, "\n", 1);
	}
	if (r == 0)
		r = write_list(&text, s->environment);
	if (r == 0)
		r = write_list(&text, s->process->file_environment);
	if (r == 0)
		r = buf_append(&text, SIZE_MAX, "", 1);
	if (r == 0)
		*ret_text = TAKE_PTR(text.data);
	return r;
}

static int match_names(struct matching *m)
{
	struct map names = {0};
	int r = 0;

	for (size_t i = 0; i < m->before->n_services && r == 0; i++)
		r = map_put(&names, m->before->services[i].name, i);
	for (size_t i = 0; i < m->after->n_services && r == 0; i++) {
		const struct spec_service *s = &m->after->services[i];
		struct diff_pair *pair = &m->pairs[m->n_pairs++];
		size_t was;

		pair->after = s;
		if (!map_get(&names, s->name, &was))
			continue;
		pair->before = &m->before->services[was];
		m->used[was] = true;
	}
	map_fini(&names);
	return r;
}

static int chain_removed(struct matching *m, size_t i)
{
	char *text;
	size_t first;
	int r = write_definition(&m->before->services[i], &text);

	if (r < 0)
		return r;
	m->next[i] = NONE;
	if (map_get(&m->texts, text, &first)) {
		free(text);
		m->next[m->tail[first]] = i;
		m->tail[first] = i;
		return 0;
	}
	r = strv_take(&m->keys, &m->n_keys, text);
	if (r == 0)
		r = map_put(&m->texts, text, i);
	m->head[i] = m->tail[i] = i;
	return r;
}

/* Has it been there under another name? */
static int match_renamed(struct matching *m, struct diff_pair *pair)
{
	_cleanup_free_
	char *text = NULL;
	size_t first, was;
	int r = write_definition(pair->after, &text);

	if (r < 0 || !map_get(&m->texts, text, &first) || m->head[first] == NONE)
		return r;
	was = m->head[first];
	/* Texts don't say all of an identity. */
	if (diff_service_effect(&m->before->services[was], pair->after) != DIFF_NONE)
		return 0;
	m->head[first] = m->next[was];
	pair->before = &m->before->services[was];
	m->used[was] = true;
	return 0;
}

static int match_definitions(struct matching *m)
{
	size_t n_added = 0;
	int r = 0;

	for (size_t i = 0; i < m->n_pairs; i++)
		n_added += !m->pairs[i].before;
	if (n_added == 0)
		return 0;
	for (size_t i = 0; i < m->before->n_services && r == 0; i++) {
		if (!m->used[i])
			r = chain_removed(m, i);
	}
	for (size_t i = 0; i < m->n_pairs && r == 0; i++) {
		if (!m->pairs[i].before && m->n_keys > 0)
			r = match_renamed(m, &m->pairs[i]);
	}
	return r;
}

int diff_match(const struct spec *before, const struct spec *after, struct diff_pair **ret_pairs,
	size_t *ret_n)
{
	_cleanup_(matching_fini) struct matching m;
	int r = matching_init(&m, before, after);

	if (r == 0)
		r = match_names(&m);
	if (r == 0)
		r = match_definitions(&m);
	if (r < 0)
		return r;
	for (size_t i = 0; i < before->n_services; i++) {
		if (!m.used[i])
			m.pairs[m.n_pairs++].before = &before->services[i];
	}
	*ret_n = m.n_pairs;
	*ret_pairs = TAKE_PTR(m.pairs);
	return 0;
}
