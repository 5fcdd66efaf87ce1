/*
 * A command is known here from the request until the launcher has been told that its end was
 * seen. Nothing waits: what the launcher does not take now is marked, and sent when it does, as
 * uplink.c does it for services.
 *
 * The end is acknowledged when done() has returned, and so has committed what follows from it:
 * an engine that dies before that is followed by one that is told again. The pipe is kept by the
 * launcher until then, so that whatever the command writes meanwhile does no harm to it.
 */
#include "engine/run/command.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/sys.h"
#include "engine/run/command_internal.h"
#include "engine/run/environment.h"
#include "engine/service.h"
#include "engine/uplink/spawn.h"

#define READS_PER_ROUND	     4
#define READS_AT_END	     256 /* a pipe of 1 MiB, the largest there is without privilege */
#define KILL_AGAIN_USEC	     (5 * USEC_PER_SEC)
#define KILLS_WITHOUT_ANSWER 3
#define HELD_MIN_USEC	     USEC_PER_MSEC
#define HELD_MAX_USEC	     USEC_PER_SEC

static void on_timer(struct loop_timer *t);
static void on_output(struct loop_source *source, uint32_t events);

void command_init(struct engine *e)
{
	list_init(&e->commands.outbox);
	list_init(&e->commands.waiting);
}

void command_set_handler(
	struct engine *e, enum command_kind kind, const struct command_handler *handler)
{
	e->commands.handlers[kind] = *handler;
}

/* --- what there is --- */

struct command *command_find(const struct service *s, enum command_kind kind)
{
	for (struct command *c = part_find(s, PART_COMMAND); c; c = part_next(&c->part)) {
		if (c->kind == kind && c->stage != STAGE_OVER)
			return c;
	}
	return NULL;
}

struct command *command_find_run(
	const struct service *s, enum command_kind kind, uint64_t generation)
{
	for (struct command *c = part_find(s, PART_COMMAND); c; c = part_next(&c->part)) {
		if (c->kind == kind && c->generation == generation)
			return c;
	}
	return NULL;
}

bool command_is_running(const struct service *s, enum command_kind kind)
{
	return command_find(s, kind) != NULL;
}

uint64_t command_serial(const struct service *s, enum command_kind kind)
{
	const struct command *c = command_find(s, kind);

	return c ? c->generation : 0;
}

pid_t command_pid(const struct service *s, enum command_kind kind, usec_t *ret_since_usec)
{
	const struct command *c = command_find(s, kind);

	if (!c || c->stage != STAGE_SENT || c->pid == 0)
		return 0;
	*ret_since_usec = c->began_usec;
	return c->pid;
}

bool command_has_pid(const struct service *s, pid_t pid)
{
	for (const struct command *c = part_find(s, PART_COMMAND); c; c = part_next(&c->part)) {
		if (c->stage == STAGE_SENT && c->pid == pid)
			return true;
	}
	return false;
}

bool command_is_probe(enum command_kind kind)
{
	return kind == COMMAND_READY || kind == COMMAND_HEALTH;
}

/* Run when the service's processes have gone, and none of them. */
static bool is_apart(enum command_kind kind)
{
	return kind == COMMAND_HOOK_POST_STOP || kind == COMMAND_HOOK_ON_FAILED;
}

/* --- its life --- */

struct command *command_new(struct service *s, enum command_kind kind)
{
	struct command *c = calloc(1, sizeof(*c));

	if (!c || loop_timer_add(&s->engine->loop, &c->timer) < 0) {
		free(c);
		return NULL;
	}
	c->service = s;
	c->pidfd = -1;
	c->kind = kind;
	c->began_usec = s->engine->loop.now_usec;
	c->service_generation = core_record(s->engine->core, s->id)->generation;
	c->timeout_usec = USEC_INFINITY;
	c->held_usec = HELD_MIN_USEC;
	c->timer.dispatch = on_timer;
	c->source = (struct loop_source){.fd = -1, .dispatch = on_output};
	list_init(&c->line);
	part_attach(s, &c->part, PART_COMMAND);
	s->engine->commands.n_alive++;
	return c;
}

static void close_output(struct command *c)
{
	int fd = c->source.fd;

	pipes_close(&c->pipes);
	if (fd < 0)
		return;
	loop_remove(loop_of(c), &c->source);
	close_fd(fd);
}

static void forget_words(struct command *c)
{
	spawn_environment_free(c->argv);
	spawn_environment_free(c->environment);
	c->argv = c->environment = NULL;
}

void command_free(struct command *c)
{
	struct commands *all = commands_of(c);

	close_output(c);
	forget_words(c);
	close_fd(c->pidfd);
	part_detach(c->service, &c->part);
	list_remove(&c->line);
	loop_timer_remove(loop_of(c), &c->timer);
	all->n_alive -= c->stage != STAGE_OVER;
	all->n_probes -= c->counted;
	free(c);
}

void command_free_all(struct service *s)
{
	struct command *c;

	while ((c = part_find(s, PART_COMMAND)))
		command_free(c);
}

static void tell(struct command *c, unsigned marks)
{
	c->marks |= marks;
	if (list_empty(&c->line))
		list_append(&commands_of(c)->outbox, &c->line);
	uplink_flush(c->service->engine); /* may free it, where it is over */
}

static void begin(struct command *c)
{
	c->counted = command_is_probe(c->kind);
	commands_of(c)->n_probes += c->counted;
	tell(c, MARK_SPAWN);
}

/* As many probes as may run. */
static void begin_waiting(struct engine *e)
{
	struct commands *all = &e->commands;
	struct command *c;

	while (all->n_probes < COMMAND_MAX_PROBES &&
		(c = list_first(&all->waiting, struct command, line))) {
		list_remove(&c->line);
		begin(c);
	}
}

int command_start(struct service *s, const struct command_request *q)
{
	struct commands *all = &s->engine->commands;
	struct command *c;
	int r;

	if (command_find(s, q->kind))
		return -EBUSY;
	c = command_new(s, q->kind);
	if (!c)
		return -ENOMEM;
	c->generation = q->generation ? q->generation : usec_now(CLOCK_MONOTONIC);
	c->timeout_usec = q->timeout_usec;
	c->done = q->done ? q->done : all->handlers[q->kind].done;
	r = spawn_expand(s, q->argv, &c->argv);
	if (r == 0)
		r = environment_make(s, q->kind, q->environment, &c->environment);
	if (r < 0) {
		command_free(c);
		return r;
	}
	if (command_is_probe(q->kind) && all->n_probes >= COMMAND_MAX_PROBES)
		list_append(&all->waiting, &c->line);
	else
		begin(c);
	return 0;
}

/* --- its output --- */

/* Reads up to so many times; what writes without end has its turn again. */
static void read_output(struct command *c, int times)
{
	char data[4096];

	for (int i = 0; i < times && c->source.fd >= 0; i++) {
		ssize_t n = sys_read(c->source.fd, data, sizeof(data));

		if (n == -EAGAIN)
			return;
		if (n <= 0)
			close_output(c);
		else
			output_add(&c->output, data, (size_t)n);
	}
}

static void on_output(struct loop_source *source, uint32_t events _unused_)
{
	read_output(CONTAINER_OF(source, struct command, source), READS_PER_ROUND);
}

/* --- its end --- */

static void make_result(const struct command *c, struct command_result *ret)
{
	*ret = (struct command_result){.timed_out = c->timed_out,
		.cancelled = c->cancelled,
		.serial = c->generation,
		.generation = c->service_generation};
	if (core_record(c->service->engine->core, c->service->id)->generation !=
		c->service_generation)
		ret->generation = 0;
	if (c->end.monotonic_usec > 0)
		ret->ran_usec = usec_sub(c->end.monotonic_usec, c->began_usec);
	result_describe(ret, &c->end, &c->output);
}

static void settle(struct command *c)
{
	struct service *s = c->service;
	struct engine *e = s->engine;
	const struct command_handler *h = &e->commands.handlers[c->kind];
	struct command_result result;

	make_result(c, &result);
	if (h->is_held && h->is_held(s, c->kind, &result)) {
		c->stage = STAGE_HELD;
		loop_timer_set(&e->loop, &c->timer, usec_add(e->loop.now_usec, c->held_usec));
		c->held_usec = MIN_OF(2 * c->held_usec, HELD_MAX_USEC);
		return;
	}
	c->stage = STAGE_OVER;
	e->commands.n_alive--;
	e->commands.n_probes -= c->counted;
	c->counted = false;
	if (c->done)
		c->done(s, c->kind, &result);
	if (c->serial > 0)
		tell(c, MARK_ACK | MARK_RELEASE);
	else
		command_free(c);
	begin_waiting(e);
}

void command_end(struct command *c, const struct link_exit *x, uint64_t serial)
{
	read_output(c, READS_AT_END); /* its last words */
	close_output(c);
	c->pidfd = close_fd(c->pidfd);
	forget_words(c);
	list_remove(&c->line);
	c->marks = 0;
	loop_timer_set(loop_of(c), &c->timer, USEC_INFINITY);
	c->end = *x;
	c->serial = serial;
	settle(c);
}

/* It came to nothing, and the launcher knows nothing of it. */
static void end_unsent(struct command *c, int error)
{
	struct link_exit x = {.error = error, .stage = LINK_STAGE_RESOURCES};

	command_end(c, &x, 0);
}

/* --- ending it --- */

static void kill_it(struct command *c)
{
	struct loop *loop = loop_of(c);

	c->n_kills++;
	if (c->stage == STAGE_BEGUN) {
		list_remove(&c->line);
		c->marks = 0;
		c->failure = ECANCELED;
		loop_timer_set(loop, &c->timer, loop->now_usec);
		return;
	}
	loop_timer_set(loop, &c->timer, usec_add(loop->now_usec, KILL_AGAIN_USEC));
	tell(c, MARK_KILL);
}

void command_kill(struct service *s, enum command_kind kind)
{
	struct command *c = command_find(s, kind);

	if (!c || c->n_kills > 0 || c->failure || c->stage == STAGE_HELD)
		return;
	c->cancelled = true;
	kill_it(c);
}

void command_kill_all(struct service *s)
{
	for (unsigned kind = 0; kind < COMMAND_KIND_MAX; kind++)
		command_kill(s, (enum command_kind)kind);
}

void command_kill_tree(struct service *s, enum command_kind kind)
{
	struct link_message m = {.type = LINK_KILL_TREE, .id = link_command_id(s->id, kind)};

	if (s->engine->tree.cgroup_fd < 0) {
		tree_signal(s->engine, s, SIGKILL);
		return;
	}
	if (!s->cgroup_spent) {
		s->cgroup_spent = true;
		service_commit(s, false, 0, 0);
	}
	uplink_send(s->engine, &m, NULL, 0);
}

static void on_overdue(struct command *c)
{
	if (c->n_kills == 0)
		c->timed_out = true;
	/* For lack of memory the launcher can neither start a process nor say so. */
	if (c->pid == 0 && c->n_kills >= KILLS_WITHOUT_ANSWER) {
		log_error("service '%s': the launcher says nothing of its %s command; going on "
			  "without",
			c->service->name, command_kind_to_string(c->kind));
		end_unsent(c, ETIMEDOUT);
		return;
	}
	kill_it(c);
}

static void on_timer(struct loop_timer *t)
{
	struct command *c = CONTAINER_OF(t, struct command, timer);

	switch (c->stage) {
	case STAGE_BEGUN:
		end_unsent(c, c->failure);
		return;
	case STAGE_SENT:
		on_overdue(c);
		return;
	case STAGE_HELD:
		settle(c);
		return;
	case STAGE_OVER:
		return;
	}
}

/* --- telling the launcher --- */

static int send_spawn(struct command *c)
{
	struct service *s = c->service;
	struct spawn_command plan = {.id = link_command_id(s->id, c->kind),
		.generation = c->generation,
		.argv = c->argv,
		.environment = c->environment,
		.apart = is_apart(c->kind) || s->cgroup_spent};
	int r;

	r = spawn_send_command(s, &plan, &c->pipes);
	if (r == -EAGAIN)
		return r;
	if (r < 0) {
		c->failure = -r;
		loop_timer_set(loop_of(c), &c->timer, loop_of(c)->now_usec);
		return r;
	}
	sys_point("ordered");
	c->stage = STAGE_SENT;
	c->began_usec = loop_of(c)->now_usec;
	loop_timer_set(loop_of(c), &c->timer, usec_add(c->began_usec, c->timeout_usec));
	forget_words(c);
	return 0;
}

static int send_mark(struct command *c, enum mark mark)
{
	struct link_message m = {
		.id = link_command_id(c->service->id, c->kind), .generation = c->generation};

	switch (mark) {
	case MARK_SPAWN:
		return send_spawn(c);
	case MARK_KILL:
		m.type = LINK_KILL;
		m.signo = SIGKILL;
		m.value = LINK_SCOPE_GROUP;
		/* One engine after the other: by the age of the command they all count alike. */
		m.op = 1 + (uint32_t)(usec_sub(usec_now(CLOCK_MONOTONIC), c->began_usec) /
				      USEC_PER_MSEC);
		break;
	case MARK_ACK:
		m.type = LINK_ACK;
		m.serial = c->serial;
		break;
	case MARK_RELEASE:
		m.type = LINK_RELEASE;
		break;
	}
	return uplink_post(&m, NULL, 0);
}

int command_flush(struct engine *e)
{
	struct command *c;

	while ((c = list_first(&e->commands.outbox, struct command, line))) {
		while (c->marks) {
			unsigned mark = c->marks & -c->marks;

			if (send_mark(c, (enum mark)mark) == -EAGAIN)
				return -EAGAIN;
			c->marks &= ~mark;
		}
		list_remove(&c->line);
		if (c->stage == STAGE_OVER)
			command_free(c);
	}
	return 0;
}
