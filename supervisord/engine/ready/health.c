/*
 * One question per service at a time, a bounded number in all; who has to wait stands in line,
 * so a thousand services are asked in turn however slow the answers are. The time between two
 * questions is counted from the end of one, and the first ones are spread at random, so that
 * services which were started together are not asked together for ever.
 *
 * A question that can't be asked, for want of descriptors or processes on our side, says
 * nothing about the service: it is asked again when the next one is due.
 */
#include "engine/ready/health.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/utf8.h"
#include "engine/engine.h"
#include "engine/ready/probe.h"
#include "engine/run/command.h"
#include "engine/service.h"

#define MAX_FIRST_USEC (5 * USEC_PER_SEC) /* the first question comes within this */

struct health {
	struct part part;
	struct service *service;
	uint64_t generation; /* that is asked; 0: none */
	struct loop_timer timer; /* the next question */
	struct list node; /* in the line of those whose turn has come */
	struct probe *probe; /* owned; NULL for a command */
	uint8_t kind; /* enum spec_probe, since health_begin() */
	bool running; /* a question is open, and counted in n_running */
	bool abandoned; /* nobody wants its answer any more */
	bool graceful; /* failures don't count yet */
	bool alerted; /* it was told to be unhealthy */
	usec_t grace_end_usec;
	struct health_outcome last;
};

_Static_assert(HEALTH_TEXT_SIZE >= PROBE_TEXT_SIZE && HEALTH_OUTPUT_SIZE >= PROBE_OUTPUT_SIZE,
	"what a probe tells has room");

static struct health *find_health(const struct service *s)
{
	return part_find(s, PART_HEALTH);
}

static struct loop *loop_of(const struct health *h)
{
	return &h->service->engine->loop;
}

static struct health_set *set_of(const struct health *h)
{
	return &h->service->engine->health;
}

/* --- the line --- */

static void ask(struct health *h);

static void next_in_line(struct health_set *set)
{
	struct health *h;

	while (set->n_running < HEALTH_MAX_AT_ONCE &&
		(h = list_first(&set->waiting, struct health, node))) {
		list_remove(&h->node);
		ask(h);
	}
}

static void release(struct health *h)
{
	if (!h->running)
		return;
	h->running = false;
	set_of(h)->n_running--;
	next_in_line(set_of(h));
}

static void ask_later(struct health *h)
{
	const struct spec_check *c = h->service->spec->contact->health;

	loop_timer_set(loop_of(h), &h->timer, usec_add(loop_of(h)->now_usec, c->interval_usec));
}

/* --- answers --- */

/* It is the last thing that the caller does: much may follow from it. */
static void tell(struct health *h)
{
	struct core_event event = {.type = CORE_EVENT_HEALTH,
		.service = h->service->id,
		.generation = h->generation,
		.ok = h->last.ok};

	engine_event(h->service->engine, &event);
}

static void answered(struct health *h)
{
	h->last.realtime_usec = usec_now(CLOCK_REALTIME);
	h->graceful &= !h->last.ok && loop_of(h)->now_usec < h->grace_end_usec;
	h->last.forgiven = h->graceful;
	ask_later(h);
	if (!h->graceful)
		tell(h);
}

static void not_asked(struct health *h, const char *why)
{
	log_warning("service '%s': cannot ask how it is: %s", h->service->name, why);
	ask_later(h);
}

static void set_outcome(struct health *h, bool ok, const char *text, const char *output, size_t n)
{
	struct health_outcome *o = &h->last;

	o->ok = ok;
	utf8_clean(text, strlen(text), o->text, sizeof(o->text));
	o->n_output = MIN_OF(n, sizeof(o->output));
	memcpy(o->output, output + (n - o->n_output), o->n_output);
}

static void on_probe(struct probe *p)
{
	struct health *h = p->userdata;

	release(h);
	if (p->outcome == PROBE_NOT_ASKED) {
		not_asked(h, p->text);
		return;
	}
	set_outcome(h, p->outcome == PROBE_GOOD, p->text, p->output, p->n_output);
	answered(h);
}

static bool is_our_lack(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOMEM || error == EAGAIN;
}

static void on_command(
	struct service *s, enum command_kind kind _unused_, const struct command_result *result)
{
	struct health *h = find_health(s);

	if (!h || !h->running)
		return;
	release(h);
	if (h->abandoned)
		return;
	if (result->cancelled || result->unknown || result->generation != h->generation) {
		ask_later(h); /* another one was in the way, or nobody heard the answer */
		return;
	}
	if (is_our_lack(result->error)) {
		not_asked(h, strerror(result->error));
		return;
	}
	set_outcome(h, result->ok, result->text, result->output, result->n_output);
	answered(h);
}

/* --- questions --- */

static int start_command(struct health *h)
{
	const struct spec_check *c = h->service->spec->contact->health;
	const struct command_request q = {.kind = COMMAND_HEALTH,
		.argv = c->command,
		.timeout_usec = c->timeout_usec,
		.done = on_command};

	return command_start(h->service, &q);
}

static int start_probe(struct health *h)
{
	const struct service *s = h->service;
	const struct spec_check *c = s->spec->contact->health;
	_cleanup_free_
	char *address = spec_expand(c->address, s->spec, s->instance);
	int r;

	if (!address)
		return -ENOMEM;
	if (!h->probe) {
		h->probe = calloc(1, sizeof(*h->probe));
		r = h->probe ? probe_init(h->probe, loop_of(h), on_probe, h) : -ENOMEM;
		if (r < 0) {
			free(TAKE_PTR(h->probe));
			return r;
		}
	}
	probe_start(h->probe, c->kind, address, c->timeout_usec);
	return 0;
}

static void ask(struct health *h)
{
	int r;

	h->running = true;
	h->abandoned = false;
	set_of(h)->n_running++;
	r = h->service->spec->contact->health->kind == SPEC_PROBE_COMMAND ? start_command(h)
									  : start_probe(h);
	/* What the last engine has asked is answered to us. */
	if (r == 0 || r == -EBUSY)
		return;
	h->running = false;
	set_of(h)->n_running--;
	not_asked(h, strerror(-r));
}

static void on_timer(struct loop_timer *t)
{
	struct health *h = CONTAINER_OF(t, struct health, timer);
	struct health_set *set = set_of(h);

	if (h->running) {
		ask_later(h); /* the command of an earlier generation has not ended */
		return;
	}
	list_append(&set->waiting, &h->node);
	next_in_line(set);
}

/* --- from outside --- */

void health_init(struct engine *e)
{
	list_init(&e->health.waiting);
	command_set_handler(e, COMMAND_HEALTH, &(struct command_handler){.done = on_command});
}

static struct health *health_new(struct service *s)
{
	struct health *h = part_get(s, PART_HEALTH, sizeof(*h));

	if (!h || loop_timer_add(&s->engine->loop, &h->timer) < 0) {
		part_drop(s, PART_HEALTH);
		return NULL;
	}
	h->service = s;
	h->timer.dispatch = on_timer;
	list_init(&h->node);
	return h;
}

static usec_t first_delay(const struct spec_check *c)
{
	usec_t most = MIN_OF(c->interval_usec, MAX_FIRST_USEC);
	uint32_t random;

	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != (ssize_t)sizeof(random))
		random = UINT32_MAX;
	return (usec_t)((double)most * random / UINT32_MAX);
}

void health_begin(struct service *s)
{
	const struct core_record *r = core_record(s->engine->core, s->id);
	const struct spec_check *c = s->spec->contact->health;
	struct health *h = find_health(s);

	if (c->kind == SPEC_PROBE_NONE || (h && h->generation == r->generation))
		return;
	if (!h)
		h = health_new(s);
	if (!h) {
		log_error("service '%s': no memory to ask how it is", s->name);
		return;
	}
	health_end(s);
	h->generation = r->generation;
	h->kind = (uint8_t)c->kind;
	h->grace_end_usec = usec_add(r->since_usec, c->grace_usec);
	/* What an engine before us has counted was not forgiven. */
	h->graceful = r->health == CORE_HEALTH_UNKNOWN && r->n_unhealthy == 0;
	h->alerted |= r->health == CORE_HEALTH_BAD;
	loop_timer_set(loop_of(h), &h->timer, usec_add(loop_of(h)->now_usec, first_delay(c)));
}

void health_end(struct service *s)
{
	struct health *h = find_health(s);

	if (!h || h->generation == 0)
		return;
	h->generation = 0;
	loop_timer_set(loop_of(h), &h->timer, USEC_INFINITY);
	list_remove(&h->node);
	if (h->probe) {
		probe_fini(h->probe);
		free(TAKE_PTR(h->probe));
		release(h);
	} else if (h->running) {
		h->abandoned = true;
		command_kill(s, COMMAND_HEALTH); /* its end makes room for the next in line */
	}
}

void health_configure(struct service *s)
{
	const struct core_record *r = core_record(s->engine->core, s->id);
	const struct spec_check *c = s->spec->contact->health;
	struct health *h = find_health(s);
	usec_t next;

	if (!h || h->generation == 0 || h->kind != c->kind) {
		health_end(s);
		if (r->state == CORE_RUNNING)
			health_begin(s);
		return;
	}
	/* Settings are looked at with each question; only the next must not be too far away. */
	next = usec_add(loop_of(h)->now_usec, c->interval_usec);
	if (h->timer.entry.pos > 0 && next < h->timer.entry.deadline)
		loop_timer_set(loop_of(h), &h->timer, next);
}

void health_free(struct service *s)
{
	struct health *h = find_health(s);

	if (!h)
		return;
	health_end(s);
	release(h);
	loop_timer_remove(loop_of(h), &h->timer);
	part_drop(s, PART_HEALTH);
}

const struct health_outcome *health_last(const struct service *s)
{
	const struct health *h = find_health(s);

	return h && h->last.realtime_usec > 0 ? &h->last : NULL;
}

bool health_is_alerted(const struct service *s)
{
	const struct health *h = find_health(s);

	return h && h->alerted;
}

void health_set_alerted(struct service *s, bool alerted)
{
	struct health *h = find_health(s);

	if (h)
		h->alerted = alerted;
}
