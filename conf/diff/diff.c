/*
 * Walks the rules of diff_rules.c over two owners, and compares lists of variables, which
 * have a key each. Variables are compared by name: their order says nothing.
 */
#include "conf/diff/diff.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "conf/diff/diff_rules.h"
#include "conf/values/strv.h"
#include "conf/write.h"

static void key_fini(struct diff_key *k)
{
	free(k->key);
	free(k->before);
	free(k->after);
}

void diff_keys_fini(struct diff_keys *k)
{
	for (size_t i = 0; i < k->n; i++)
		key_fini(&k->keys[i]);
	free(k->keys);
	*k = (struct diff_keys){0};
}

/* Takes over what the key owns, also on failure. */
static int add_key(struct diff_keys *keys, struct diff_key *key)
{
	if ((keys->n & (keys->n - 1)) == 0) { /* grows at powers of two */
		struct diff_key *bigger =
			reallocarray(keys->keys, keys->n ? keys->n * 2 : 1, sizeof(*bigger));

		if (!bigger) {
			key_fini(key);
			return -ENOMEM;
		}
		keys->keys = bigger;
	}
	keys->keys[keys->n++] = *key;
	return 0;
}

/* The text in a buffer as a string of its own; NULL where there is none. */
static int take_text(struct buf *b, char **ret_text)
{
	int r = b->len > 0 ? buf_append(b, SIZE_MAX, "", 1) : 0;

	if (r == 0)
		*ret_text = b->len > 0 ? TAKE_PTR(b->data) : NULL;
	return r;
}

static int write_owner(
	const struct diff_rule *rule, const void *owner, const void *other, char **ret_text)
{
	_cleanup_buf_ struct buf text = {0};
	int r = rule->write(rule, owner, other, &text);

	return r < 0 ? r : take_text(&text, ret_text);
}

static enum diff_effect effect_of(
	const struct diff_rule *rule, const void *before, const void *after)
{
	return rule->effect_of ? rule->effect_of(rule, before, after) : rule->effect;
}

static int add_rule(struct diff_keys *keys, const struct diff_rule *rule, const void *before,
	const void *after, struct spec_place place)
{
	struct diff_key key = {
		.key = strdup(rule->key),
		.effect = effect_of(rule, before, after),
		.place = place,
	};
	int r = key.key ? write_owner(rule, before, after, &key.before) : -ENOMEM;

	if (r == 0)
		r = write_owner(rule, after, before, &key.after);
	if (r == 0)
		return add_key(keys, &key);
	key_fini(&key);
	return r;
}

/* The length of an assignment's name, its '=' counted. */
static size_t name_size(const char *assignment)
{
	return strcspn(assignment, "=") + 1;
}

/*
 * The assignment to the same name, or NULL. It is looked for outwards from where it is
 * likely to be, so that lists which differ little are compared in linear time.
 */
static const char *find_variable(char *const *list, size_t n, size_t near, const char *assignment)
{
	size_t size = name_size(assignment);

	near = MIN_OF(near, n);
	for (size_t d = 0; near + d < n || d < near; d++) {
		if (near + d < n && strncmp(list[near + d], assignment, size) == 0)
			return list[near + d];
		if (d < near && strncmp(list[near - d - 1], assignment, size) == 0)
			return list[near - d - 1];
	}
	return NULL;
}

static bool same_variables(char *const *a, char *const *b)
{
	size_t n = strv_len(a);

	if (n != strv_len(b))
		return false;
	for (size_t i = 0; i < n; i++) {
		const char *other = find_variable(b, n, i, a[i]);

		if (!other || strcmp(a[i], other) != 0)
			return false;
	}
	return true;
}

/* "environment PORT" */
static char *name_variable(const char *section, const char *assignment)
{
	_cleanup_free_
	char *name = strndup(assignment, name_size(assignment) - 1);
	_cleanup_buf_ struct buf key = {0};
	char *text = NULL;

	if (!name || buf_printf(&key, "%s ", section) < 0 || write_word(&key, name) < 0 ||
		take_text(&key, &text) < 0)
		return NULL;
	return text;
}

static int write_value(const char *assignment, char **ret_text)
{
	_cleanup_buf_ struct buf text = {0};
	int r = assignment ? write_string(&text, assignment + name_size(assignment)) : 0;

	return r < 0 ? r : take_text(&text, ret_text);
}

/* Either assignment may be NULL. */
static int add_variable(struct diff_keys *keys, const char *section, const char *before,
	const char *after, struct spec_place place)
{
	struct diff_key key = {
		.key = name_variable(section, after ? after : before),
		.effect = DIFF_RESTART,
		.secret = true,
		.place = place,
	};
	int r = key.key ? write_value(before, &key.before) : -ENOMEM;

	if (r == 0)
		r = write_value(after, &key.after);
	if (r == 0)
		return add_key(keys, &key);
	key_fini(&key);
	return r;
}

static int add_variables(struct diff_keys *keys, const char *section, char *const *before,
	char *const *after, struct spec_place place)
{
	size_t n_before = strv_len(before), n_after = strv_len(after);
	int r = 0;

	for (size_t i = 0; i < n_after && r == 0; i++) {
		const char *old = find_variable(before, n_before, i, after[i]);

		if (!old || strcmp(old, after[i]) != 0)
			r = add_variable(keys, section, old, after[i], place);
	}
	for (size_t i = 0; i < n_before && r == 0; i++) {
		if (!find_variable(after, n_after, i, before[i]))
			r = add_variable(keys, section, before[i], NULL, place);
	}
	return r;
}

enum diff_effect diff_service_effect(
	const struct spec_service *before, const struct spec_service *after)
{
	enum diff_effect effect = DIFF_NONE;
	const struct diff_rule *rules;
	size_t n;

	rules = diff_service_rules(&n);
	for (size_t i = 0; i < n; i++) {
		if (!rules[i].is_count && !rules[i].same(&rules[i], before, after))
			effect = MAX_OF(effect, effect_of(&rules[i], before, after));
	}
	if (effect == DIFF_RESTART || !same_variables(before->environment, after->environment) ||
		!same_variables(
			before->process->file_environment, after->process->file_environment))
		return DIFF_RESTART;
	return effect;
}

int diff_service(
	const struct spec_service *before, const struct spec_service *after, struct diff_keys *ret)
{
	_cleanup_diff_keys_ struct diff_keys keys = {0};
	const struct diff_rule *rules;
	size_t n;
	int r = 0;

	rules = diff_service_rules(&n);
	for (size_t i = 0; i < n && r == 0; i++) {
		if (!rules[i].same(&rules[i], before, after))
			r = add_rule(&keys, &rules[i], before, after,
				spec_place_of(after, rules[i].key));
	}
	if (r == 0)
		r = add_variables(&keys, "environment", before->environment, after->environment,
			spec_place_of(after, "environment"));
	if (r == 0)
		r = add_variables(&keys, "env-file", before->process->file_environment,
			after->process->file_environment, spec_place_of(after, "env-file"));
	if (r < 0)
		return r;
	*ret = keys;
	keys = (struct diff_keys){0};
	return 0;
}

int diff_describe(const struct spec_service *s, struct diff_keys *ret)
{
	_cleanup_diff_keys_ struct diff_keys keys = {0};
	const struct diff_rule *rules;
	size_t n;
	int r = 0;

	rules = diff_service_rules(&n);
	for (size_t i = 0; i < n && r == 0; i++) {
		struct diff_key key = {
			.key = strdup(rules[i].key), .place = spec_place_of(s, rules[i].key)};

		r = key.key ? write_owner(&rules[i], s, s, &key.after) : -ENOMEM;
		if (r == 0)
			r = add_key(&keys, &key);
		else
			key_fini(&key);
	}
	if (r < 0)
		return r;
	*ret = keys;
	keys = (struct diff_keys){0};
	return 0;
}

static const struct spec_pool *find_pool(const struct spec *s, const char *name)
{
	for (size_t i = 0; i < s->n_pools; i++) {
		if (strcmp(s->pools[i].name, name) == 0)
			return &s->pools[i];
	}
	return NULL;
}

static int write_slots(const struct spec_pool *pool, char **ret_text)
{
	_cleanup_buf_ struct buf text = {0};
	int r = pool ? write_number(&text, pool->slots) : 0;

	return r < 0 ? r : take_text(&text, ret_text);
}

/* Either pool may be NULL. */
static int add_pool(struct diff_keys *keys, const struct spec_pool *before,
	const struct spec_pool *after, struct spec_place place)
{
	_cleanup_buf_ struct buf name = {0};
	struct diff_key key = {.effect = DIFF_LIVE, .place = place};
	int r = buf_printf(&name, "pool \"%s\".slots", after ? after->name : before->name);

	if (r == 0)
		r = take_text(&name, &key.key);
	if (r == 0)
		r = write_slots(before, &key.before);
	if (r == 0)
		r = write_slots(after, &key.after);
	if (r == 0)
		return add_key(keys, &key);
	key_fini(&key);
	return r;
}

/* Pools are few (SPEC_MAX_POOLS), and are known by name. */
static int add_pools(struct diff_keys *keys, const struct spec *before, const struct spec *after)
{
	int r = 0;

	for (size_t i = 0; i < after->n_pools && r == 0; i++) {
		const struct spec_pool *now = &after->pools[i];
		const struct spec_pool *was = find_pool(before, now->name);

		if (!was || was->slots != now->slots)
			r = add_pool(keys, was, now, now->place);
	}
	for (size_t i = 0; i < before->n_pools && r == 0; i++) {
		const struct spec_pool *was = &before->pools[i];

		if (!find_pool(after, was->name))
			r = add_pool(keys, was, NULL, spec_global_place_of(after, "pool"));
	}
	return r;
}

int diff_global(const struct spec *before, const struct spec *after, struct diff_keys *ret)
{
	_cleanup_diff_keys_ struct diff_keys keys = {0};
	const struct diff_rule *rules;
	size_t n;
	int r = 0;

	rules = diff_global_rules(&n);
	for (size_t i = 0; i < n && r == 0; i++) {
		if (!rules[i].same(&rules[i], before, after))
			r = add_rule(&keys, &rules[i], before, after,
				spec_global_place_of(after, rules[i].key));
	}
	if (r == 0)
		r = add_pools(&keys, before, after);
	if (r < 0)
		return r;
	*ret = keys;
	keys = (struct diff_keys){0};
	return 0;
}

const char *diff_effect_to_string(enum diff_effect e)
{
	static const char *const names[] = {
		[DIFF_NONE] = "none",
		[DIFF_LIVE] = "live",
		[DIFF_RESTART] = "restart",
		[DIFF_REFUSED] = "refused",
	};

	return names[e];
}
