/*
 * Each way of asking ends in one event to the core, which carries the generation that was asked:
 * what comes late changes nothing. A new engine asks again where the last one was asking.
 *
 * The deadline is not kept here: it is the core's (ready.timeout), and ends what goes on here
 * by ready_end().
 */
#include "engine/ready/ready.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/sys.h"
#include "base/utf8.h"
#include "engine/engine.h"
#include "engine/ready/probe.h"
#include "engine/ready/watch.h"
#include "engine/service.h"
#include "wire/notify.h"

#define FIRST_DELAY_USEC (10 * USEC_PER_MSEC) /* doubles up to ready.interval */
#define MAX_DELAY_USEC	 USEC_PER_SEC /* or up to this where that is longer */
#define FD_MAX_BYTES	 4096 /* before the newline */

struct readiness {
	struct service *service;
	/* what it has said of itself, and which generation that was */
	uint64_t said_generation;
	enum ready_doing doing;
	char status[NOTIFY_STATUS_SIZE];
	/* what is being done to find out */
	bool asking;
	uint8_t on; /* enum spec_ready, since ready_begin() */
	bool seen; /* the line was written: to be told to the core */
	uint64_t generation; /* that is asked */
	struct loop_timer timer; /* the next attempt; or to tell what was seen */
	usec_t delay_usec;
	unsigned n_attempts;
	char problem[PROBE_TEXT_SIZE]; /* of the last one */
	struct probe *probe; /* owned; tcp, unix */
	struct watch *watch; /* owned; log */
	struct matcher *matcher; /* owned; kept from start to start, while the expression stays */
	char *regex; /* owned; that one */
	struct loop_source pipe; /* fd:N; fd is owned */
	uint64_t pipe_generation;
	size_t n_read;
};

static const struct core_record *record_of(const struct service *s)
{
	return core_record(s->engine->core, s->id);
}

/* It is the last thing that the caller does: much may follow from it. */
static void tell(struct service *s, uint64_t generation)
{
	struct core_event event = {
		.type = CORE_EVENT_READY, .service = s->id, .generation = generation};

	engine_event(s->engine, &event);
}

/* --- fd:N --- */

static void close_pipe(struct readiness *r)
{
	int fd = r->pipe.fd;

	if (fd < 0)
		return;
	loop_remove(&r->service->engine->loop, &r->pipe);
	close_fd(fd);
}

/*
 * Looks at what is in the pipe and leaves it there, by way of another one. Bytes, 0 at the end,
 * -errno; -EAGAIN: nothing there.
 */
static ssize_t look(int fd, char *data, size_t n)
{
	int copy[2];
	ssize_t r = sys_pipe2(copy, O_NONBLOCK);

	if (r < 0)
		return r;
	r = sys_tee(fd, copy[1], n, SPLICE_F_NONBLOCK);
	if (r > 0)
		r = sys_read(copy[0], data, (size_t)r);
	close_fd(copy[0]);
	close_fd(copy[1]);
	return r;
}

/*
 * Whether the newline has come; it stays in the pipe, for a next engine, until the core has
 * written down what it means. What ends without one never was ready.
 */
static bool read_pipe(struct readiness *r)
{
	char data[512];

	while (r->pipe.fd >= 0) {
		ssize_t n = look(r->pipe.fd, data, sizeof(data));

		if (n > 0 && memchr(data, '\n', (size_t)n))
			return true;
		/* Only bytes that say nothing are taken out; or, for want of descriptors, all. */
		if (n > 0 || (n < 0 && n != -EAGAIN))
			n = sys_read(r->pipe.fd, data, n > 0 ? (size_t)n : sizeof(data));
		if (n == -EAGAIN)
			break;
		if (n > 0 && memchr(data, '\n', (size_t)n))
			return true;
		r->n_read += n > 0 ? (size_t)n : 0;
		if (n > 0 && r->n_read < FD_MAX_BYTES)
			continue;
		snprintf(r->problem, sizeof(r->problem), "%s",
			n > 0	 ? "no newline among the first 4096 bytes"
			: n == 0 ? "its descriptor was closed without a newline"
				 : strerror((int)-n));
		log_warning("service '%s': not ready: %s", r->service->name, r->problem);
		close_pipe(r);
	}
	return false;
}

static void tell_by_pipe(struct readiness *r)
{
	tell(r->service, r->pipe_generation);
	close_pipe(r);
}

static void on_pipe(struct loop_source *source, uint32_t events _unused_)
{
	struct readiness *r = CONTAINER_OF(source, struct readiness, pipe);

	if (read_pipe(r))
		tell_by_pipe(r);
}

/* --- tcp, unix, command: again and again --- */

/* A socket is asked soon again at first, since most are there within moments. */
static void attempt_again(struct readiness *r)
{
	struct loop *loop = &r->service->engine->loop;
	const struct spec_check *c = &r->service->spec->ready_check;
	usec_t delay = c->interval_usec;

	if (c->kind != SPEC_PROBE_COMMAND) {
		delay = MIN_OF(delay, r->delay_usec);
		r->delay_usec = MIN_OF(2 * r->delay_usec, USEC_PER_SEC);
	}
	r->n_attempts++;
	loop_timer_set(loop, &r->timer, usec_add(loop->now_usec, delay));
}

static void on_probe(struct probe *p)
{
	struct readiness *r = p->userdata;

	if (p->outcome == PROBE_GOOD) {
		tell(r->service, r->generation);
		return;
	}
	snprintf(r->problem, sizeof(r->problem), "%s", p->text);
	attempt_again(r);
}

static int start_probe(struct readiness *r)
{
	const struct service *s = r->service;
	const struct spec_check *c = &s->spec->ready_check;
	_cleanup_free_
	char *address = spec_expand(c->address, s->spec, s->instance);
	int k;

	if (!address)
		return -ENOMEM;
	if (!r->probe) {
		r->probe = calloc(1, sizeof(*r->probe));
		k = r->probe ? probe_init(r->probe, &s->engine->loop, on_probe, r) : -ENOMEM;
		if (k < 0) {
			free(TAKE_PTR(r->probe));
			return k;
		}
	}
	probe_start(r->probe, c->kind, address, c->timeout_usec);
	return 0;
}

static void on_command(
	struct service *s, enum command_kind kind _unused_, const struct command_result *result)
{
	struct readiness *r = s->readiness;

	if (!r || !r->asking)
		return;
	if (result->ok) {
		tell(s, r->generation);
		return;
	}
	utf8_clean(result->text, strlen(result->text), r->problem, sizeof(r->problem));
	attempt_again(r);
}

static int start_command(struct readiness *r)
{
	const struct spec_check *c = &r->service->spec->ready_check;
	const struct command_request q = {.kind = COMMAND_READY,
		.argv = c->command,
		.timeout_usec = c->timeout_usec,
		.done = on_command};

	return command_start(r->service, &q);
}

static void attempt(struct readiness *r)
{
	int k = r->service->spec->ready_check.kind == SPEC_PROBE_COMMAND ? start_command(r)
									 : start_probe(r);

	if (k == 0)
		return;
	snprintf(r->problem, sizeof(r->problem), "cannot ask: %s", strerror(-k));
	attempt_again(r);
}

/* --- log --- */

/* From within a pump, and maybe from within the core's changes: only remembered. */
static void on_output(struct pump *p, const char *data, size_t n)
{
	struct stream *t = CONTAINER_OF(p, struct stream, pump);
	struct service *s = t->service;
	struct readiness *r = s->readiness;
	int k = watch_take(r->watch, (unsigned)(t - s->streams), data, n);

	if (k == -E2BIG) {
		snprintf(r->problem, sizeof(r->problem),
			"its expression takes too long on too many lines");
		log_error("service '%s': not ready: %s; looking at no more of them", s->name,
			r->problem);
	}
	if (k == 0)
		return;
	ready_attach(s);
	r->seen = k == 1;
	if (r->seen)
		loop_timer_set(&s->engine->loop, &r->timer, s->engine->loop.now_usec);
}

void ready_attach(struct service *s)
{
	const struct readiness *r = s->readiness;
	bool watched = r && r->asking && r->watch && !watch_is_over(r->watch);

	for (unsigned i = 0; i < s->n_streams; i++)
		s->streams[i].pump.tap = watched ? on_output : NULL;
}

static int compile(struct readiness *r)
{
	const struct service *s = r->service;
	_cleanup_free_
	char *regex = spec_expand(s->spec->ready_regex, s->spec, s->instance);
	int k;

	if (!regex)
		return -ENOMEM;
	if (r->matcher && strcmp(regex, r->regex) == 0)
		return 0;
	matcher_free(TAKE_PTR(r->matcher));
	k = matcher_new(regex, &r->matcher, r->problem);
	if (k < 0)
		return k;
	free(r->regex);
	r->regex = TAKE_PTR(regex);
	return 0;
}

static int start_watch(struct readiness *r)
{
	int k = compile(r);

	if (k < 0)
		return k;
	r->watch = watch_new(r->service->n_streams, r->matcher);
	if (!r->watch)
		return -ENOMEM;
	ready_attach(r->service);
	return 0;
}

/* --- all of them --- */

static void on_timer(struct loop_timer *t)
{
	struct readiness *r = CONTAINER_OF(t, struct readiness, timer);

	if (r->seen)
		tell(r->service, r->generation);
	else
		attempt(r);
}

static struct readiness *get(struct service *s)
{
	struct readiness *r = s->readiness;

	if (r)
		return r;
	r = calloc(1, sizeof(*r));
	if (!r || loop_timer_add(&s->engine->loop, &r->timer) < 0) {
		free(r);
		return NULL;
	}
	r->service = s;
	r->timer.dispatch = on_timer;
	r->pipe = (struct loop_source){.fd = -1, .dispatch = on_pipe};
	s->readiness = r;
	return r;
}

static int start(struct readiness *r)
{
	struct loop *loop = &r->service->engine->loop;

	switch (r->service->spec->policy.ready) {
	case SPEC_READY_TCP:
	case SPEC_READY_UNIX:
	case SPEC_READY_COMMAND:
		r->delay_usec = FIRST_DELAY_USEC;
		loop_timer_set(loop, &r->timer, loop->now_usec);
		return 0;
	case SPEC_READY_LOG:
		return start_watch(r);
	case SPEC_READY_EXEC: /* nothing to ask */
	case SPEC_READY_NOTIFY: /* notify.c hears */
	case SPEC_READY_FD: /* and the pipe is listened to since it came */
	case SPEC_READY_MAX:
		break;
	}
	return 0;
}

/* What nobody has to be asked for takes no memory. */
static bool is_asked(const struct service *s)
{
	const struct spec_policy *p = &s->spec->policy;

	return p->type != SPEC_TYPE_ONESHOT && p->ready != SPEC_READY_EXEC &&
	       p->ready != SPEC_READY_NOTIFY;
}

void ready_begin(struct service *s)
{
	uint64_t generation = record_of(s)->generation;
	struct readiness *r = s->readiness;
	int k = -ENOMEM;

	if (r && r->asking && r->generation == generation)
		return;
	ready_end(s);
	if (!is_asked(s))
		return;
	r = get(s);
	if (r) {
		r->asking = true;
		r->on = (uint8_t)s->spec->policy.ready;
		r->generation = generation;
		r->n_attempts = 0;
		if (r->pipe_generation != generation)
			r->problem[0] = '\0';
		k = start(r);
	}
	if (k < 0)
		log_error("service '%s': cannot find out when it is ready: %s", s->name,
			k == -EINVAL ? r->problem : strerror(-k));
}

void ready_end(struct service *s)
{
	struct readiness *r = s->readiness;

	if (!r)
		return;
	if (r->pipe_generation != record_of(s)->generation || r->asking)
		close_pipe(r);
	if (!r->asking)
		return;
	r->asking = r->seen = false;
	loop_timer_set(&s->engine->loop, &r->timer, USEC_INFINITY);
	if (r->probe)
		probe_fini(r->probe);
	free(TAKE_PTR(r->probe));
	if (command_is_running(s, COMMAND_READY))
		command_kill(s, COMMAND_READY);
	ready_attach(s);
	watch_free(TAKE_PTR(r->watch));
}

void ready_follow(struct service *s)
{
	const struct core_record *c = record_of(s);

	if (c->state == CORE_STARTING && c->phase == CORE_PHASE_READY)
		ready_begin(s);
	else
		ready_end(s);
	if (c->state == CORE_RUNNING)
		health_begin(s);
	else
		health_end(s);
}

void service_take_ready_fd(struct service *s, int fd)
{
	_cleanup_close_
	int owned = fd;
	uint64_t generation = record_of(s)->generation;
	struct readiness *r;
	int k = -ENOMEM;

	if (record_of(s)->state != CORE_STARTING)
		return; /* it is ready, or will not be any more: told to a new engine */
	r = get(s);
	/* Told again: what is open will do. */
	if (r && r->pipe.fd >= 0 && r->pipe_generation == generation)
		return;
	if (r) {
		close_pipe(r);
		k = loop_add(&s->engine->loop, &r->pipe, owned, EPOLLIN);
	}
	if (k < 0) {
		log_error("service '%s': cannot watch the descriptor that tells that it is ready: "
			  "%s",
			s->name, strerror(-k));
		return;
	}
	TAKE_FD(owned);
	r->pipe_generation = generation;
	r->n_read = 0;
	r->problem[0] = '\0';
}

void ready_settle(struct service *s)
{
	struct readiness *r = s->readiness;

	if (!r)
		return;
	if (r->pipe.fd >= 0 && read_pipe(r))
		tell_by_pipe(r);
	else if (r->seen)
		tell(s, r->generation);
}

void ready_configure(struct service *s)
{
	const struct readiness *r = s->readiness;

	/* Settings are looked at with each attempt, but for an expression. */
	if (!r || !r->asking || r->seen ||
		(r->on == s->spec->policy.ready && r->on != SPEC_READY_LOG))
		return;
	ready_end(s);
	ready_begin(s);
}

void ready_free(struct service *s)
{
	struct readiness *r = s->readiness;

	if (!r)
		return;
	ready_end(s);
	close_pipe(r);
	matcher_free(r->matcher);
	free(r->regex);
	loop_timer_remove(&s->engine->loop, &r->timer);
	free(r);
	s->readiness = NULL;
}

/* --- what it says of itself --- */

static bool is_live(const struct core_record *c)
{
	return c->state == CORE_STARTING || c->state == CORE_RUNNING || c->state == CORE_STOPPING;
}

/* What it says of itself, for its present generation; NULL for lack of memory. */
static struct readiness *get_said(struct service *s)
{
	struct readiness *r = get(s);
	uint64_t generation = record_of(s)->generation;

	if (r && r->said_generation != generation) {
		r->said_generation = generation;
		r->doing = READY_DOING_NOTHING;
		r->status[0] = '\0';
	}
	return r;
}

static const struct readiness *find_said(const struct service *s)
{
	const struct readiness *r = s->readiness;
	const struct core_record *c = record_of(s);

	return r && r->said_generation == c->generation && is_live(c) ? r : NULL;
}

void ready_note_status(struct service *s, const char *text)
{
	struct readiness *r = get_said(s);

	if (r)
		snprintf(r->status, sizeof(r->status), "%s", text);
}

void ready_note_doing(struct service *s, enum ready_doing doing)
{
	/* Most say READY=1 and nothing else, which takes no memory. */
	struct readiness *r = s->readiness || doing != READY_DOING_NOTHING ? get_said(s) : NULL;

	if (r)
		r->doing = doing;
}

const char *ready_status(const struct service *s)
{
	const struct readiness *r = find_said(s);

	return r ? r->status : "";
}

enum ready_doing ready_doing(const struct service *s)
{
	const struct readiness *r = find_said(s);

	return r ? r->doing : READY_DOING_NOTHING;
}

const char *ready_problem(const struct service *s)
{
	const struct readiness *r = s->readiness;

	return r && r->asking ? r->problem : "";
}

char *ready_describe(const struct service *s)
{
	const struct spec_service *spec = s->spec;
	const char *word = spec_ready_to_string(spec->policy.ready), *rest = NULL;
	_cleanup_free_
	char *text = NULL;
	char *all;
	int n;

	if (spec->policy.ready == SPEC_READY_FD)
		return asprintf(&all, "%s:%d", word, spec->ready_fd) < 0 ? NULL : all;
	if (spec->policy.ready == SPEC_READY_LOG)
		rest = spec->ready_regex;
	else if (spec->policy.ready == SPEC_READY_TCP || spec->policy.ready == SPEC_READY_UNIX)
		rest = spec->ready_check.address;
	if (!rest)
		return strdup(word);
	text = spec_expand(rest, spec, s->instance);
	n = text ? asprintf(&all, "%s:%s", word, text) : -1;
	return n < 0 ? NULL : all;
}
