/*
 * The run's generation on the link is the clock at its start, which grows as the launcher
 * wants it and needs no memory of its own. Of the output only the end is kept, enough for a
 * message; the pipe is emptied as it comes, so that nobody waits for us.
 *
 * An engine that finds a command under way waits for its end as the one before did, but
 * knows nothing of what it wrote until then.
 */
#include "engine/run/command.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/sys.h"
#include "engine/control/request.h"
#include "engine/engine.h"
#include "engine/service.h"
#include "engine/spawn.h"

#define TAIL_SIZE	120
#define READS_PER_ROUND 4
#define READS_AT_END	256 /* a pipe of 1 MiB, the largest there is without privilege */

struct command {
	struct service *service;
	uint64_t generation;
	struct loop_timer timer; /* until it is killed, again and again */
	struct loop_source output;
	bool killed;
	uint32_t op; /* of the last KILL */
	char tail[TAIL_SIZE]; /* the last line so far */
	size_t n_tail;
	bool line_ended;
};

/* --- its output --- */

static void keep_tail(struct command *c, const char *data, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (data[i] == '\n') {
			c->line_ended = true;
			continue;
		}
		if (c->line_ended)
			c->n_tail = 0;
		c->line_ended = false;
		if (c->n_tail < sizeof(c->tail) - 1)
			c->tail[c->n_tail++] = data[i];
	}
}

static void close_output(struct command *c)
{
	int fd = c->output.fd;

	if (fd < 0)
		return;
	loop_remove(&c->service->engine->loop, &c->output);
	close_fd(fd);
}

/* Reads up to so many times; what writes without end has its turn again. */
static void read_output(struct command *c, int times)
{
	char data[4096];

	for (int i = 0; i < times && c->output.fd >= 0; i++) {
		ssize_t n = sys_read(c->output.fd, data, sizeof(data));

		if (n == -EAGAIN)
			return;
		if (n <= 0)
			close_output(c);
		else
			keep_tail(c, data, (size_t)n);
	}
}

static void on_output(struct loop_source *source, uint32_t events _unused_)
{
	read_output(CONTAINER_OF(source, struct command, output), READS_PER_ROUND);
}

/* --- its life --- */

static int tell(struct command *c, enum link_type type, struct link_message *m)
{
	m->type = (uint16_t)type;
	m->id = c->service->id | LINK_ID_COMMAND;
	m->generation = c->generation;
	return uplink_send(c->service->engine, m, NULL, 0);
}

static void on_timeout(struct loop_timer *t)
{
	struct command *c = CONTAINER_OF(t, struct command, timer);
	struct loop *loop = &c->service->engine->loop;
	struct link_message kill = {.signo = SIGKILL, .op = ++c->op, .value = LINK_SCOPE_GROUP};

	if (!c->killed)
		log_warning("service '%s': its reload command takes too long; killing it",
			c->service->name);
	c->killed = true;
	tell(c, LINK_KILL, &kill);
	loop_timer_set(loop, t, usec_add(loop->now_usec, COMMAND_TIMEOUT_USEC));
}

static struct command *command_new(struct service *s, uint64_t generation)
{
	struct command *c = calloc(1, sizeof(*c));
	struct loop *loop = &s->engine->loop;

	if (!c || loop_timer_add(loop, &c->timer) < 0) {
		free(c);
		return NULL;
	}
	c->service = s;
	c->generation = generation;
	c->timer.dispatch = on_timeout;
	c->output = (struct loop_source){.fd = -1, .dispatch = on_output};
	loop_timer_set(loop, &c->timer, usec_add(loop->now_usec, COMMAND_TIMEOUT_USEC));
	s->command = c;
	return c;
}

void command_free(struct service *s)
{
	struct command *c = s->command;

	if (!c)
		return;
	close_output(c);
	loop_timer_remove(&s->engine->loop, &c->timer);
	free(c);
	s->command = NULL;
}

uint64_t command_serial(const struct service *s)
{
	return s->command ? s->command->generation : 0;
}

int command_run(struct service *s, uint64_t *ret_serial)
{
	uint64_t generation = usec_now(CLOCK_MONOTONIC);
	struct command *c;
	int r;

	if (s->command)
		return -EBUSY;
	c = command_new(s, generation);
	if (!c)
		return -ENOMEM;
	r = spawn_send_command(s, s->spec->reload_command, generation);
	if (r < 0) {
		command_free(s);
		return r;
	}
	*ret_serial = generation;
	return 0;
}

/* --- what the launcher tells --- */

static void on_started(struct service *s, const struct link_message *m, int *fds, unsigned n_fds)
{
	struct command *c = s->command;

	if (!c)
		c = command_new(s, m->generation);
	if (!c || c->generation != m->generation || n_fds == 0 || c->output.fd >= 0)
		return;
	if (loop_add(&s->engine->loop, &c->output, fds[0], EPOLLIN) == 0)
		TAKE_FD(fds[0]);
}

static void describe(const struct command *c, const struct link_exit *x, struct command_result *r)
{
	char how[64], name[SIGNAL_NAME_SIZE];

	if (x->error)
		snprintf(how, sizeof(how), "%s: %s",
			link_stage_to_string((enum link_stage)x->stage), strerror(x->error));
	else if (x->code == CLD_EXITED)
		snprintf(how, sizeof(how), "exited with code %d", x->status);
	else
		snprintf(how, sizeof(how), "%s signal %s",
			c->killed ? "took too long and was ended by" : "was ended by",
			signal_name(x->status, name));
	r->serial = c->generation;
	r->ok = !x->error && x->code == CLD_EXITED && x->status == 0;
	snprintf(r->text, sizeof(r->text), "reload command %s%s%.*s", how, c->n_tail ? ": " : "",
		(int)c->n_tail, c->tail);
}

static void on_ended(struct service *s, const struct link_message *m)
{
	struct command *c = s->command;

	if (!c || c->generation != m->generation)
		return;
	read_output(c, READS_AT_END); /* its last words */
	if (!s->command_result) /* few services ever have one */
		s->command_result = malloc(sizeof(*s->command_result));
	if (s->command_result)
		describe(c, &m->exit, s->command_result);
	if (s->command_result && !s->command_result->ok)
		log_warning("service '%s': %s", s->name, s->command_result->text);
	command_free(s);
	request_judge(s);
}

void command_message(
	struct engine *e, struct service *s, const struct link_message *m, int *fds, unsigned n_fds)
{
	struct link_message answer = {.id = m->id, .generation = m->generation};

	if (m->type == LINK_STARTED) {
		on_started(s, m, fds, n_fds);
	} else {
		on_ended(s, m);
		answer.type = LINK_ACK;
		answer.serial = m->serial;
		uplink_send(e, &answer, NULL, 0);
		answer.serial = 0;
	}
	/* Nobody needs its pipe again: what is not read by us is read by nobody. */
	answer.type = LINK_RELEASE;
	uplink_send(e, &answer, NULL, 0);
}
