/*
 * What belongs to the data itself: giving it back, and the two replacements that a string
 * of a service knows. Everything else about a spec is the business of those who build or
 * use it.
 */
#include "conf/spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "conf/share.h"
#include "conf/values/strv.h"

#define NUMBER_SIZE 16

const struct spec_limit *spec_limit(const struct spec_service *s, enum spec_limit_kind kind)
{
	static const struct spec_limit unset;

	return s->process->limits ? &s->process->limits[kind] : &unset;
}

static void role_fini(struct spec_role *r)
{
	strv_free(r->names);
	free(r->uids);
	free(r->gids);
}

void spec_free(struct spec *s)
{
	if (!s)
		return;
	free(s->services);
	share_free(s->share);
	for (size_t i = 0; i < s->n_pools; i++)
		free(s->pools[i].name);
	free(s->pools);
	free(s->origins);
	free(s->defaults.origins);
	free(s->control_group_name);
	free(s->queue_group_name);
	free(s->runtime_dir);
	free(s->state_dir);
	free(s->log_dir);
	role_fini(&s->operators);
	role_fini(&s->observers);
	strv_free(s->files);
	free(s);
}

static struct spec_place find_origin(
	const struct spec_origin *origins, size_t n, const char *key, struct spec_place otherwise)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(origins[i].key, key) == 0)
			return origins[i].place;
	}
	return otherwise;
}

struct spec_place spec_global_place_of(const struct spec *s, const char *key)
{
	return find_origin(s->origins, s->n_origins, key, (struct spec_place){s->files[0], 0});
}

struct spec_place spec_place_of(const struct spec_service *s, const char *key)
{
	struct spec_place place = s->place;

	if (s->defaults)
		place = find_origin(s->defaults->origins, s->defaults->n, key, place);
	return find_origin(s->origins, s->n_origins, key, place);
}

const char *spec_instance_name(const struct spec_service *s, unsigned instance,
	char ret_name[static SPEC_INSTANCE_NAME_MAX])
{
	const char *name = s->name ? s->name : ""; /* defaults, while they are tried, have none */
	size_t n = strnlen(name, SPEC_INSTANCE_NAME_MAX - 1);

	if (s->has_instances)
		snprintf(ret_name, SPEC_INSTANCE_NAME_MAX, "%s@%u", name, instance);
	else
		*(char *)mempcpy(ret_name, name, n) = '\0';
	return ret_name;
}

char *spec_expand(const char *text, const struct spec_service *s, unsigned instance)
{
	char name[SPEC_INSTANCE_NAME_MAX], number[NUMBER_SIZE] = "";
	const struct {
		const char *from, *to;
	} words[] = {{"%{name}", name}, {"%{instance}", number}};
	_cleanup_buf_ struct buf b = {0};

	if (!strchr(text, '%'))
		return strdup(text);
	spec_instance_name(s, instance, name);
	if (s->has_instances)
		snprintf(number, sizeof(number), "%u", instance);
	while (*text) {
		size_t n = strcspn(text + 1, "%") + 1; /* up to the next % that may begin a word */
		const char *piece = text;
		size_t n_piece = n;

		for (size_t i = 0; i < ELEMENTSOF(words); i++) {
			if (strncmp(text, words[i].from, strlen(words[i].from)) == 0) {
				n = strlen(words[i].from);
				piece = words[i].to;
				n_piece = strlen(piece);
				break;
			}
		}
		if (buf_append(&b, SIZE_MAX, piece, n_piece) < 0)
			return NULL;
		text += n;
	}
	if (buf_append(&b, SIZE_MAX, "", 1) < 0)
		return NULL;
	return TAKE_PTR(b.data);
}

bool spec_is_success(const struct spec_policy *p, int exit_code)
{
	if (exit_code < 0 || exit_code > 255)
		return false;
	return p->success_codes[exit_code / 64] >> (exit_code % 64) & 1;
}
