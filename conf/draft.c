/*
 * While a service is being made, each of its values is a piece of memory of its own. When that is
 * done, it is put together anew in shared memory from the inside out: strings first, then what
 * points to them, so that equal things come to have equal bytes. Bytes between members that
 * happen to differ cost a second copy, nothing else.
 */
#include "conf/draft.h"

#include <errno.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "conf/strv.h"

void draft_init(struct draft *d)
{
	*d = (struct draft){0};
	d->service.policy = &d->policy;
	d->service.ready_check = &d->ready_check;
	d->service.health = &d->health;
	d->service.schedule = &d->schedule;
	d->service.identity = &d->identity;
	d->service.log = &d->log;
	d->service.hooks = d->hooks;
}

static void log_fini(struct spec_log *l)
{
	free(l->file.address);
	free(l->error.address);
	for (size_t i = 0; i < l->n_also; i++)
		free(l->also[i].address);
	free(l->also);
	strv_free(l->rotation.compress);
	free(l->rotation.suffix);
}

static void identity_fini(struct spec_identity *i)
{
	free(i->user);
	free(i->group);
	free(i->groups);
	free(i->user_name);
	free(i->home);
	free(i->shell);
}

static void check_fini(struct spec_check *c)
{
	strv_free(c->command);
	free(c->address);
}

void draft_fini(struct draft *d)
{
	struct spec_service *s = &d->service;

	free(s->name);
	free(s->origins);
	strv_free(s->reload_command);
	strv_free(s->requires);
	strv_free(s->wants);
	strv_free(s->after);
	strv_free(s->before);
	strv_free(s->conflicts);
	free(s->pool);
	free(s->pid_file);
	free(s->ready_regex);
	check_fini(&d->ready_check);
	check_fini(&d->health);
	free(d->schedule.cron_text);
	free(s->limits);
	for (size_t i = 0; i < SPEC_HOOK_MAX; i++)
		strv_free(d->hooks[i]);
	strv_free(s->command);
	free(s->directory);
	identity_fini(&d->identity);
	strv_free(s->file_environment);
	strv_free(s->environment);
	strv_free(s->groups);
	log_fini(&d->log);
	free(s->stdin_name);
}

/*
 * Each takes a pointer to what the draft owns, and makes it one to what is shared. False for lack
 * of memory.
 */
static bool keep_bytes(struct share *share, void *pointer, size_t n, size_t align)
{
	void *from, *to;

	memcpy(&from, pointer, sizeof(from));
	if (!from || n == 0)
		return true;
	to = share_bytes(share, from, n, align);
	memcpy(pointer, &to, sizeof(to));
	return to;
}

#define KEEP_ARRAY(share, pointer, n) \
	keep_bytes((share), (pointer), (n) * sizeof(**(pointer)), alignof(__typeof__(**(pointer))))

static bool keep_text(struct share *share, char **text)
{
	return !*text || KEEP_ARRAY(share, text, strlen(*text) + 1);
}

static bool keep_list(struct share *share, char ***list)
{
	size_t n = strv_len(*list) + 1;
	_cleanup_free_
	char **kept = NULL;

	if (!*list)
		return true;
	kept = calloc(n, sizeof(*kept));
	if (!kept)
		return false;
	for (size_t i = 0; i + 1 < n; i++) {
		kept[i] = (*list)[i];
		if (!keep_text(share, &kept[i]))
			return false;
	}
	*list = share_bytes(share, kept, n * sizeof(*kept), alignof(char *));
	return *list;
}

static bool keep_lists(struct share *share, char **const lists[], size_t n, char ****ret)
{
	char **kept[SPEC_HOOK_MAX];

	memcpy(kept, lists, n * sizeof(*kept));
	for (size_t i = 0; i < n; i++) {
		if (!keep_list(share, &kept[i]))
			return false;
	}
	*ret = share_bytes(share, kept, n * sizeof(*kept), alignof(char **));
	return *ret;
}

static bool keep_check(struct share *share, const struct spec_check *check, struct spec_check **ret)
{
	struct spec_check c;

	memcpy(&c, check, sizeof(c));
	*ret = keep_list(share, &c.command) && keep_text(share, &c.address)
		       ? share_bytes(share, &c, sizeof(c), alignof(struct spec_check))
		       : NULL;
	return *ret;
}

static bool keep_schedule(
	struct share *share, const struct spec_schedule *schedule, struct spec_schedule **ret)
{
	struct spec_schedule s;

	memcpy(&s, schedule, sizeof(s));
	*ret = keep_text(share, &s.cron_text)
		       ? share_bytes(share, &s, sizeof(s), alignof(struct spec_schedule))
		       : NULL;
	return *ret;
}

static bool keep_identity(
	struct share *share, const struct spec_identity *identity, struct spec_identity **ret)
{
	struct spec_identity i;

	memcpy(&i, identity, sizeof(i));
	*ret = keep_text(share, &i.user) && keep_text(share, &i.group) &&
			       KEEP_ARRAY(share, &i.groups, i.n_groups) &&
			       keep_text(share, &i.user_name) && keep_text(share, &i.home) &&
			       keep_text(share, &i.shell)
		       ? share_bytes(share, &i, sizeof(i), alignof(struct spec_identity))
		       : NULL;
	return *ret;
}

static bool keep_targets(struct share *share, struct spec_target **targets, size_t n)
{
	_cleanup_free_
	struct spec_target *kept = NULL;

	if (n == 0) {
		*targets = NULL;
		return true;
	}
	kept = calloc(n, sizeof(*kept));
	if (!kept)
		return false;
	memcpy(kept, *targets, n * sizeof(*kept));
	for (size_t i = 0; i < n; i++) {
		if (!keep_text(share, &kept[i].address))
			return false;
	}
	*targets = share_bytes(share, kept, n * sizeof(*kept), alignof(struct spec_target));
	return *targets;
}

static bool keep_log(struct share *share, const struct spec_log *log, struct spec_log **ret)
{
	struct spec_log l;

	memcpy(&l, log, sizeof(l));
	*ret = keep_text(share, &l.file.address) && keep_text(share, &l.error.address) &&
			       keep_targets(share, &l.also, l.n_also) &&
			       keep_list(share, &l.rotation.compress) &&
			       keep_text(share, &l.rotation.suffix)
		       ? share_bytes(share, &l, sizeof(l), alignof(struct spec_log))
		       : NULL;
	return *ret;
}

static bool keep_structs(struct share *share, const struct draft *d, struct spec_service *s)
{
	return KEEP_ARRAY(share, &s->policy, 1) &&
	       keep_check(share, &d->ready_check, &s->ready_check) &&
	       keep_check(share, &d->health, &s->health) &&
	       keep_schedule(share, &d->schedule, &s->schedule) &&
	       keep_identity(share, &d->identity, &s->identity) &&
	       keep_log(share, &d->log, &s->log) &&
	       keep_lists(share, d->hooks, ELEMENTSOF(d->hooks), &s->hooks) &&
	       KEEP_ARRAY(share, &s->limits, SPEC_LIMIT_MAX) &&
	       KEEP_ARRAY(share, &s->origins, s->n_origins);
}

int draft_keep(const struct draft *d, struct share *share, struct spec_service *ret_service)
{
	struct spec_service s = d->service;
	char ***lists[] = {&s.reload_command, &s.requires, &s.wants, &s.after, &s.before,
		&s.conflicts, &s.command, &s.file_environment, &s.environment, &s.groups};
	char **texts[] = {
		&s.name, &s.pool, &s.pid_file, &s.ready_regex, &s.directory, &s.stdin_name};

	for (size_t i = 0; i < ELEMENTSOF(lists); i++) {
		if (!keep_list(share, lists[i]))
			return -ENOMEM;
	}
	for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
		if (!keep_text(share, texts[i]))
			return -ENOMEM;
	}
	if (!keep_structs(share, d, &s))
		return -ENOMEM;
	*ret_service = s;
	return 0;
}
