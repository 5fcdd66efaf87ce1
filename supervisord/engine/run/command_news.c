/*
 * What the launcher tells of commands: of our own, and of those that an engine before us has
 * begun, which are taken over. An end that is told again is acted upon once.
 */
#include "engine/run/command_internal.h"

#include "base/cleanup.h"
#include "engine/service.h"
#include "engine/takeover/pidfd.h"

static usec_t usual_timeout(const struct service *s, enum command_kind kind)
{
	switch (kind) {
	case COMMAND_RELOAD:
		return COMMAND_RELOAD_TIMEOUT_USEC;
	case COMMAND_HOOK_POST_START:
	case COMMAND_HOOK_ON_FAILED:
		return s->spec->policy->hook_timeout_usec;
	case COMMAND_READY:
		return s->spec->contact->ready_check->timeout_usec;
	case COMMAND_HEALTH:
		return s->spec->contact->health->timeout_usec;
	case COMMAND_HOOK_PRE_START: /* the core cancels these */
	case COMMAND_HOOK_PRE_STOP:
	case COMMAND_HOOK_STOP:
	case COMMAND_HOOK_POST_STOP:
	case COMMAND_KIND_MAX:
		break;
	}
	return USEC_INFINITY;
}

/* Begun by another engine. NULL for lack of memory. */
static struct command *adopt(
	struct service *s, enum command_kind kind, const struct link_message *m)
{
	struct command *c = command_new(s, kind);

	if (!c)
		return NULL;
	c->stage = STAGE_SENT;
	c->generation = m->generation;
	c->done = commands_of(c)->handlers[kind].done;
	c->counted = command_is_probe(kind);
	commands_of(c)->n_probes += c->counted;
	c->timeout_usec = usual_timeout(s, kind);
	return c;
}

/* By what came, or for want of descriptors by what we have; both are the same, or nearly. */
static void take_output(struct command *c, int *fd)
{
	if (!fd && c->pipes.generation == c->generation)
		fd = &c->pipes.read[PLAN_PIPE_STDOUT];
	if (fd && *fd >= 0 && c->source.fd < 0 &&
		loop_add(loop_of(c), &c->source, *fd, EPOLLIN) == 0)
		TAKE_FD(*fd);
	pipes_close(&c->pipes);
}

static void on_started(struct service *s, struct command *c, const struct link_message *m, int *fds,
	unsigned n_fds)
{
	const struct core_record *r = core_record(s->engine->core, s->id);

	if (c->pid == 0) {
		c->stage = STAGE_SENT;
		c->marks &= ~(unsigned)MARK_SPAWN;
		c->pid = m->pid;
		pidfd_take(&c->pidfd, m->pid, m->started.pidfd_inode);
		c->began_usec = m->started.monotonic_usec;
		if (c->began_usec < r->started_usec)
			c->service_generation = 0;
		if (c->n_kills == 0)
			loop_timer_set(
				loop_of(c), &c->timer, usec_add(c->began_usec, c->timeout_usec));
	}
	take_output(c, n_fds > 0 ? fds : NULL);
}

/* Nobody here waits for that end. */
static void acknowledge(struct engine *e, const struct link_message *m)
{
	struct link_message answer = {
		.type = LINK_RELEASE, .id = m->id, .generation = m->generation};

	uplink_send(e, &answer, NULL, 0);
	answer.type = LINK_ACK;
	answer.serial = m->serial;
	uplink_send(e, &answer, NULL, 0);
}

static void on_exited(struct service *s, struct command *c, const struct link_message *m)
{
	struct commands *all = &s->engine->commands;
	bool again = m->serial <= all->last_serial;

	/* Told again while we have it still: acknowledged when its time has come. */
	if (again && c && c->stage != STAGE_SENT)
		return;
	if (again && c) { /* it was taken for one that runs */
		command_free(c);
		c = NULL;
	}
	all->last_serial = MAX_OF(all->last_serial, m->serial);
	if (c)
		command_end(c, &m->exit, m->serial);
	else
		acknowledge(s->engine, m);
}

/* It has ended, and we have dealt with that. */
static bool is_old(const struct service *s, enum command_kind kind, const struct link_message *m)
{
	const struct commands *all = &s->engine->commands;
	const struct command_handler *h = &all->handlers[kind];

	if (m->type == LINK_EXITED)
		return m->serial <= all->last_serial;
	return h->is_over && h->is_over(s, kind, m->generation);
}

void command_message(struct service *s, const struct link_message *m, int *fds, unsigned n_fds)
{
	enum command_kind kind = (enum command_kind)link_command_of(m->id);
	struct command *c = command_find_run(s, kind, m->generation);
	const struct command *other = command_find(s, kind);

	/* Of two that another engine has begun the older one has ended, which is told next. */
	if (!c && !is_old(s, kind, m) && (!other || other->generation < m->generation))
		c = adopt(s, kind, m);
	if (m->type == LINK_EXITED)
		on_exited(s, c, m);
	else if (c && (c->stage == STAGE_BEGUN || c->stage == STAGE_SENT))
		on_started(s, c, m, fds, n_fds);
}
