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
#include "conf/values/strv.h"

void draft_init(struct draft *d)
{
	*d = (struct draft){0};
	d->service.policy = &d->policy;
	d->service.links = &d->links;
	d->service.contact = &d->contact;
	d->service.process = &d->process;
	d->service.log = &d->log;
	d->contact.ready_check = &d->ready_check;
	d->contact.health = &d->health;
	d->contact.schedule = &d->schedule;
	d->contact.hooks = d->hooks;
	d->process.identity = &d->identity;
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

static void links_fini(struct spec_links *l)
{
	strv_free(l->requires);
	strv_free(l->wants);
	strv_free(l->after);
	strv_free(l->before);
	strv_free(l->conflicts);
	strv_free(l->groups);
	free(l->pool);
}

static void contact_fini(struct spec_contact *c)
{
	strv_free(c->reload_command);
	free(c->pid_file);
	free(c->ready_regex);
	check_fini(c->ready_check);
	check_fini(c->health);
	free(c->schedule->cron_text);
	for (size_t i = 0; i < SPEC_HOOK_MAX; i++)
		strv_free(c->hooks[i]);
}

static void process_fini(struct spec_process *p)
{
	free(p->directory);
	identity_fini(p->identity);
	free(p->limits);
	strv_free(p->file_environment);
}

void draft_fini(struct draft *d)
{
	struct spec_service *s = &d->service;

	free(s->name);
	free(s->origins);
	strv_free(s->command);
	strv_free(s->environment);
	free(s->stdin_name);
	links_fini(&d->links);
	contact_fini(&d->contact);
	process_fini(&d->process);
	log_fini(&d->log);
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

static bool keep_hooks(struct share *share, char ****hooks)
{
	char **kept[SPEC_HOOK_MAX];

	memcpy(kept, *hooks, sizeof(kept));
	for (size_t i = 0; i < ELEMENTSOF(kept); i++) {
		if (!keep_list(share, &kept[i]))
			return false;
	}
	*hooks = share_bytes(share, kept, sizeof(kept), alignof(char **));
	return *hooks;
}

static bool keep_check(struct share *share, struct spec_check **check)
{
	struct spec_check c;

	memcpy(&c, *check, sizeof(c));
	*check = keep_list(share, &c.command) && keep_text(share, &c.address)
			 ? share_bytes(share, &c, sizeof(c), alignof(struct spec_check))
			 : NULL;
	return *check;
}

static bool keep_schedule(struct share *share, struct spec_schedule **schedule)
{
	struct spec_schedule s;

	memcpy(&s, *schedule, sizeof(s));
	*schedule = keep_text(share, &s.cron_text)
			    ? share_bytes(share, &s, sizeof(s), alignof(struct spec_schedule))
			    : NULL;
	return *schedule;
}

static bool keep_identity(struct share *share, struct spec_identity **identity)
{
	struct spec_identity i;

	memcpy(&i, *identity, sizeof(i));
	*identity = keep_text(share, &i.user) && keep_text(share, &i.group) &&
				    KEEP_ARRAY(share, &i.groups, i.n_groups) &&
				    keep_text(share, &i.user_name) && keep_text(share, &i.home) &&
				    keep_text(share, &i.shell)
			    ? share_bytes(share, &i, sizeof(i), alignof(struct spec_identity))
			    : NULL;
	return *identity;
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

static bool keep_log(struct share *share, struct spec_log **log)
{
	struct spec_log l;

	memcpy(&l, *log, sizeof(l));
	*log = keep_text(share, &l.file.address) && keep_text(share, &l.error.address) &&
			       keep_targets(share, &l.also, l.n_also) &&
			       keep_list(share, &l.rotation.compress) &&
			       keep_text(share, &l.rotation.suffix)
		       ? share_bytes(share, &l, sizeof(l), alignof(struct spec_log))
		       : NULL;
	return *log;
}

static bool keep_links(struct share *share, struct spec_links **links)
{
	struct spec_links l;

	memcpy(&l, *links, sizeof(l));
	*links = keep_list(share, &l.requires) && keep_list(share, &l.wants) &&
				 keep_list(share, &l.after) && keep_list(share, &l.before) &&
				 keep_list(share, &l.conflicts) && keep_list(share, &l.groups) &&
				 keep_text(share, &l.pool)
			 ? share_bytes(share, &l, sizeof(l), alignof(struct spec_links))
			 : NULL;
	return *links;
}

static bool keep_contact(struct share *share, struct spec_contact **contact)
{
	struct spec_contact c;

	memcpy(&c, *contact, sizeof(c));
	*contact = keep_list(share, &c.reload_command) && keep_text(share, &c.pid_file) &&
				   keep_text(share, &c.ready_regex) &&
				   keep_check(share, &c.ready_check) &&
				   keep_check(share, &c.health) &&
				   keep_schedule(share, &c.schedule) && keep_hooks(share, &c.hooks)
			   ? share_bytes(share, &c, sizeof(c), alignof(struct spec_contact))
			   : NULL;
	return *contact;
}

static bool keep_process(struct share *share, struct spec_process **process)
{
	struct spec_process p;

	memcpy(&p, *process, sizeof(p));
	*process = keep_text(share, &p.directory) && keep_identity(share, &p.identity) &&
				   KEEP_ARRAY(share, &p.limits, SPEC_LIMIT_MAX) &&
				   keep_list(share, &p.file_environment)
			   ? share_bytes(share, &p, sizeof(p), alignof(struct spec_process))
			   : NULL;
	return *process;
}

int draft_keep(const struct draft *d, struct share *share, struct spec_service *ret_service)
{
	struct spec_service s = d->service;
	bool kept = keep_text(share, &s.name) && KEEP_ARRAY(share, &s.origins, s.n_origins) &&
		    KEEP_ARRAY(share, &s.policy, 1) && keep_links(share, &s.links) &&
		    keep_contact(share, &s.contact) && keep_process(share, &s.process) &&
		    keep_log(share, &s.log) && keep_list(share, &s.command) &&
		    keep_list(share, &s.environment) && keep_text(share, &s.stdin_name);

	if (!kept)
		return -ENOMEM;
	*ret_service = s;
	return 0;
}
