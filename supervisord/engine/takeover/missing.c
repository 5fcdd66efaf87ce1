/*
 * The notebook says which processes were cloned; whose end is in it as well is not among those that
 * are looked for here. A process that has only just been cloned is waited for until it executes its
 * program, so that what is known of it is that program's. Without a notebook, or where it had no
 * room, all processes are looked at.
 */
#include "engine/takeover/missing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "engine/engine.h"
#include "engine/run/command_handover.h"
#include "engine/service.h"
#include "engine/services.h"
#include "engine/takeover/pidfd.h"

bool missing_is_told(const struct service *s)
{
	return s->told_generation == core_record(s->engine->core, s->id)->generation;
}

/* The launcher was to start it, and has not said whether it did. */
bool missing_is_under_way(const struct service *s)
{
	const struct core_record *r = core_record(s->engine->core, s->id);

	if (s->engine->synced && (s->outbox.marks & UPLINK_SPAWN))
		return false;
	return service_has_process(s) && !r->main_ended && !missing_is_told(s);
}

static unsigned count_commands(const struct service *s)
{
	struct command_situation c;
	unsigned n = 0;

	while (command_situation(s, n, &c))
		n++;
	return n;
}

static struct find_target *add_target(
	struct missing *m, struct service *s, enum command_kind kind, uint64_t generation)
{
	struct find_target *x = &m->targets[m->n_targets++];

	*x = (struct find_target){
		.service = s, .kind = kind, .generation = generation, .pidfd = -1};
	return x;
}

uint32_t missing_id_of(const struct service *s, enum command_kind kind)
{
	return kind == COMMAND_KIND_MAX ? s->id : link_command_id(s->id, kind);
}

/*
 * Where all is noted, nobody has to be looked for. An engine that is still about to find what a
 * killed supervisord has left leaves that to the next: the launcher did not know of those.
 */
static bool is_searched_for(const struct missing *m, const struct notebook_slot *slot)
{
	return !slot && !m->noted.complete && !(m->e->store.head.flags & RECOVERY_MISSING);
}

/* One that the launcher had cloned, and that may be alive. */
static void add_noted_process(struct missing *m, struct service *s, enum command_kind kind,
	const struct notebook_slot *slot)
{
	int pidfd = pidfd_open(slot->pid, slot->start.pidfd_inode);
	struct find_target *x;

	if (pidfd == -ESRCH)
		return;
	x = add_target(m, s, kind, slot->generation);
	if (pidfd < 0) { /* for want of something: the next engine looks for it */
		x->proven = m->incomplete = true;
		return;
	}
	x->pid = slot->pid;
	x->pidfd = pidfd;
	x->proven = slot->start.pidfd_inode > 0 && pidfd_inode(pidfd) > 0;
}

/* searched: those that are to be looked for, else those that are noted. */
static void add_missing(struct missing *m, struct service *s, enum command_kind kind,
	uint64_t generation, bool searched)
{
	const struct notebook_slot *slot =
		noted_find(&m->noted, missing_id_of(s, kind), generation);

	if (searched && is_searched_for(m, slot))
		add_target(m, s, kind, generation);
	else if (!searched && slot && slot->pid > 0 && !noted_has_end(slot))
		add_noted_process(m, s, kind, slot);
}

static void add_all_missing(struct missing *m, bool searched)
{
	struct engine *e = m->e;

	for (uint32_t i = 0; i < e->n_services; i++) {
		struct service *s = e->services[i];
		struct command_situation c;

		if (missing_is_under_way(s))
			add_missing(m, s, COMMAND_KIND_MAX, core_record(e->core, s->id)->generation,
				searched);
		for (unsigned k = 0; command_situation(s, k, &c); k++) {
			if (c.stage == COMMAND_UNDER_WAY)
				add_missing(m, s, c.kind, c.generation, searched);
		}
	}
}

bool missing_is_untold_command(const struct missing *m, const struct notebook_slot *slot)
{
	const struct service *s;
	struct command_situation c;

	if (m->e->synced || !(slot->id & LINK_ID_COMMAND) || slot->pid == 0 ||
		link_command_of(slot->id) >= COMMAND_KIND_MAX ||
		(noted_has_end(slot) && slot->serial <= m->e->commands.last_serial))
		return false;
	s = services_by_id(m->e, link_service_of(slot->id));
	if (!s)
		return false;
	for (unsigned k = 0; command_situation(s, k, &c); k++) {
		if (link_command_id(s->id, c.kind) == slot->id && c.generation == slot->generation)
			return false;
	}
	return true;
}

static void add_untold_commands(struct missing *m)
{
	for (size_t i = 0; i < m->noted.n; i++) {
		const struct notebook_slot *slot = m->noted.slots[i];

		if (missing_is_untold_command(m, slot) && !noted_has_end(slot))
			add_noted_process(m, services_by_id(m->e, link_service_of(slot->id)),
				(enum command_kind)link_command_of(slot->id), slot);
	}
}

static void find_missing(struct missing *m)
{
	size_t n_searched;
	int r, settled;

	add_all_missing(m, true);
	n_searched = m->n_targets;
	r = find_processes(m->e, m->targets, n_searched);
	add_all_missing(m, false);
	add_untold_commands(m);
	settled = find_settle(m->e, m->targets + n_searched, m->n_targets - n_searched);
	r = r < 0 ? r : settled;
	if (r < 0)
		log_warning("cannot make sure which processes the launcher had started last: %s",
			strerror(-r));
	m->incomplete |= r < 0;
}

const struct find_target *missing_found(const struct missing *m, const struct service *s,
	enum command_kind kind, uint64_t generation)
{
	for (size_t i = 0; i < m->n_targets; i++) {
		const struct find_target *x = &m->targets[i];

		if (x->service == s && x->kind == kind && x->generation == generation)
			return x;
	}
	return NULL;
}

int missing_init(struct missing *ret, struct engine *e)
{
	struct missing m = {.e = e};
	int r = noted_open(&m.noted, e->uplink.mirror[LINK_KEEP_NOTEBOOK]);

	if (r < 0)
		return r;
	m.n_max = 2 * e->n_services + (uint32_t)m.noted.n;
	for (uint32_t i = 0; i < e->n_services; i++)
		m.n_max += count_commands(e->services[i]);
	m.targets = calloc(m.n_max + 1, sizeof(*m.targets));
	if (!m.targets) {
		noted_close(&m.noted);
		return -ENOMEM;
	}
	find_missing(&m);
	*ret = m;
	return 0;
}

void missing_fini(struct missing *m)
{
	for (size_t i = 0; i < m->n_targets; i++)
		close_fd(m->targets[i].pidfd);
	free(m->targets);
	noted_close(&m->noted);
}
