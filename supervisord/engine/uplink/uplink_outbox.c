/*
 * Sending is driven by marks on services (see uplink.h). While the link is full, the loop waits for
 * room in it, and what has not been sent can still change.
 */
#include "engine/uplink/uplink_outbox.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/log.h"
#include "engine/engine.h"
#include "engine/run/command.h"
#include "engine/service.h"
#include "engine/uplink/spawn.h"

/*
 * While there are more orders than the link takes, what is to be done goes before what has been
 * done is written down; but only for so long.
 */
#define ORDERS_FIRST_USEC (300 * USEC_PER_MSEC)

static int send_simple(struct service *s, enum link_type type, uint64_t generation)
{
	struct link_message m = {.type = (uint16_t)type, .id = s->id, .generation = generation};

	return uplink_post(&m, NULL, 0);
}

/* A stop: what an operator sends, maybe STOP itself, is all that there is to it. */
static bool has_to_continue(const struct core_record *r)
{
	return r->user_signo == 0 && r->signo != SIGKILL;
}

static int send_kill(struct service *s, enum link_scope scope)
{
	const struct core_record *r = core_record(s->engine->core, s->id);
	struct link_message m = {.version = LINK_VERSION,
		.type = LINK_KILL,
		.id = s->id,
		.generation = r->generation,
		.signo = s->outbox.signo,
		.op = r->signal_op,
		.value = scope | (has_to_continue(r) ? LINK_SCOPE_CONTINUE : 0)};

	return uplink_post(&m, NULL, 0);
}

bool uplink_remove(struct service *s)
{
	uplink_outbox_flush_late(s->engine);
	return send_simple(s, LINK_REMOVE, 0) == 0;
}

static int send_signal(struct service *s)
{
	const struct core_record *r = core_record(s->engine->core, s->id);
	bool tree = s->outbox.scope == SPEC_KILL_TREE;
	bool group = s->outbox.scope == SPEC_KILL_GROUP || (tree && s->engine->tree.blind);
	int error = 0;

	if (!r->main_ended)
		error = send_kill(s, group ? LINK_SCOPE_GROUP : LINK_SCOPE_PROCESS);
	if (error < 0 || !tree)
		return error;
	tree_signal(s->engine, s, s->outbox.signo);
	return 0;
}

/* Mostly both are due, which is one message. */
static int send_ack(struct service *s)
{
	const struct uplink_outbox *o = &s->outbox;
	bool release = (o->marks & UPLINK_RELEASE) && o->release_generation == o->ack_generation;
	struct link_message m = {.type = LINK_ACK,
		.id = s->id,
		.generation = o->ack_generation,
		.serial = o->ack_serial,
		.value = release};
	int r = uplink_post(&m, NULL, 0);

	if (r == 0 && release)
		s->outbox.marks &= ~(unsigned)UPLINK_RELEASE;
	return r;
}

static int send_mark(struct service *s, enum uplink_mark mark)
{
	switch (mark) {
	case UPLINK_ACK:
		return send_ack(s);
	case UPLINK_RELEASE:
		return send_simple(s, LINK_RELEASE, s->outbox.release_generation);
	case UPLINK_REFETCH:
		return send_simple(
			s, LINK_REFETCH, core_record(s->engine->core, s->id)->generation);
	case UPLINK_SPAWN:
		return spawn_send(s);
	case UPLINK_SIGNAL:
		return send_signal(s);
	}
	return 0;
}

/* -EAGAIN: the link is full, marks are left. */
static int send_marks(struct service *s)
{
	while (s->outbox.marks) {
		unsigned mark = s->outbox.marks & -s->outbox.marks;
		int r = send_mark(s, (enum uplink_mark)mark);

		if (r == -EAGAIN)
			return r;
		s->outbox.marks &= ~mark;
		if (r < 0 && mark == UPLINK_SPAWN)
			service_spawn_failed(s, r);
		else if (r < 0)
			log_warning("service '%s': cannot tell the launcher: %s", s->name,
				strerror(-r));
	}
	list_remove(&s->outbox.node);
	return 0;
}

static int send_all_marks(struct engine *e)
{
	struct service *s;

	e->uplink.late = false;
	while ((s = list_first(&e->uplink.outbox, struct service, outbox.node))) {
		if (send_marks(s) == -EAGAIN)
			return -EAGAIN;
	}
	return 0;
}

static void wait_for(struct engine *e, bool room)
{
	struct uplink *u = &e->uplink;

	if (!room) {
		loop_timer_set(&e->loop, &u->patience, USEC_INFINITY);
		loop_modify(&e->loop, &u->source, EPOLLIN);
	} else if (!(u->source.events & EPOLLOUT)) {
		loop_timer_set(
			&e->loop, &u->patience, usec_add(e->loop.now_usec, ORDERS_FIRST_USEC));
		loop_modify(&e->loop, &u->source, EPOLLOUT);
	}
}

static void on_patience(struct loop_timer *t)
{
	struct engine *e = CONTAINER_OF(t, struct engine, uplink.patience);

	if (!e->uplink.gone)
		loop_modify(&e->loop, &e->uplink.source, EPOLLIN | EPOLLOUT);
}

/* What is sent without a mark comes behind what was said before. */
void uplink_outbox_flush_late(struct engine *e)
{
	if (e->uplink.late && !e->uplink.gone && send_all_marks(e) == -EAGAIN)
		wait_for(e, true);
}

/* -EAGAIN: the link is full, something is left. */
static int send_all(struct engine *e)
{
	int r = send_all_marks(e);

	return r < 0 ? r : command_flush(e);
}

static bool is_behind(const struct uplink *u)
{
	return !u->late && !list_empty(&u->outbox);
}

void uplink_flush(struct engine *e)
{
	bool was_full = (e->uplink.source.events & EPOLLOUT) != 0, full;

	if (e->uplink.gone)
		return;
	full = send_all(e) == -EAGAIN;
	if (full || was_full)
		e->uplink.full_usec = e->loop.now_usec;
	wait_for(e, full);
}

usec_t uplink_behind_usec(const struct engine *e)
{
	return is_behind(&e->uplink) ? e->loop.now_usec : e->uplink.full_usec;
}

void uplink_tell(struct service *s, unsigned marks)
{
	struct uplink *u = &s->engine->uplink;
	bool first = list_empty(&u->outbox) || u->late;

	s->outbox.marks |= marks;
	if (list_empty(&s->outbox.node))
		list_append(&u->outbox, &s->outbox.node);
	if (!first)
		return;
	/* Nothing waits for these; with what follows, the launcher is woken once. */
	u->late = (marks & ~(unsigned)(UPLINK_ACK | UPLINK_RELEASE)) == 0;
	if (!u->late)
		uplink_flush(s->engine);
}

void uplink_flush_late(struct engine *e)
{
	if (e->uplink.late && !loop_is_due(&e->loop))
		uplink_flush(e);
}

int uplink_outbox_init(struct engine *e)
{
	e->uplink.patience.dispatch = on_patience;
	return loop_timer_add(&e->loop, &e->uplink.patience);
}
