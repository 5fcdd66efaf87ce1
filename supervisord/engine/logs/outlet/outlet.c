/*
 * What all kinds of outlets have in common: to be found again, to wait, and to tell.
 *
 * There are two reasons not to try: no room, which ends when the loop tells of it, and a time
 * before which nothing is tried. For the second, a timer is armed only where somebody waits or
 * something is pending; else the next write finds that the time has come.
 *
 * Writers that wait are told in the order of their coming, and no more of them once there is
 * no room again. Being told may make them write, join and leave, so the outlet is held
 * meanwhile. One without writers goes when nothing is pending, or when that can't be written.
 */
#include "engine/logs/outlet/outlet.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "engine/logs/outlet/journal.h"
#include "engine/logs/outlet/standard.h"
#include "engine/logs/outlet/syslog.h"

const char *outlet_name(const struct outlet *o, char ret_name[static OUTLET_NAME_SIZE])
{
	static const char *const words[SPEC_SINK_MAX] = {
		[SPEC_SINK_JOURNAL] = "the journal at ",
		[SPEC_SINK_SYSLOG] = "syslog at ",
		[SPEC_SINK_SERVICE] = "the standard input of ",
		[SPEC_SINK_INHERIT] = "standard output",
	};
	const char *word = words[o->target.sink];

	snprintf(ret_name, OUTLET_NAME_SIZE, "%s%s", word ? word : "",
		o->target.address ? o->target.address : "");
	return ret_name;
}

static bool has_news_for_somebody(const struct outlet *o)
{
	return !list_empty(&o->waiting) || o->pending.len > 0;
}

static void arm(struct outlet *o)
{
	usec_t at = o->deadline_usec;

	if (!o->full && has_news_for_somebody(o))
		at = MIN_OF(at, o->retry_usec);
	loop_timer_set(o->set->loop, &o->timer, at);
}

bool outlet_is_blocked(const struct outlet *o, usec_t now)
{
	return o->full || now < o->retry_usec;
}

void outlet_pause(struct outlet *o, usec_t now)
{
	o->retry_usec = usec_add(now, OUTLET_PAUSE_USEC);
	arm(o);
}

int outlet_watch(struct outlet *o, int fd)
{
	return loop_add(o->set->loop, &o->source, fd, o->idle_events);
}

void outlet_unwatch(struct outlet *o)
{
	loop_remove(o->set->loop, &o->source);
	o->full = false;
}

void outlet_set_full(struct outlet *o, int fd, usec_t now)
{
	uint32_t events = o->idle_events | EPOLLOUT;
	struct loop *loop = o->set->loop;
	int r = o->source.fd < 0 ? loop_add(loop, &o->source, fd, events)
				 : loop_modify(loop, &o->source, events);

	if (r < 0) {
		outlet_pause(o, now);
	} else {
		o->full = true;
		arm(o);
	}
}

void outlet_set_failed(struct outlet *o, int error, usec_t now)
{
	char name[OUTLET_NAME_SIZE];

	if (o->error == 0)
		log_warning("cannot write to %s: %s; trying again every second",
			outlet_name(o, name), strerror(-error));
	o->error = error;
	o->worked_usec = 0;
	o->retry_usec = usec_add(now, OUTLET_RETRY_USEC);
	arm(o);
}

void outlet_set_working(struct outlet *o, usec_t now)
{
	char name[OUTLET_NAME_SIZE], lost[80] = "";

	if (o->error == 0)
		return;
	if (o->worked_usec == 0)
		o->worked_usec = now;
	if (o->wary && usec_sub(now, o->worked_usec) < USEC_PER_SEC)
		return;
	if (o->lost_bytes > 0)
		snprintf(lost, sizeof(lost), ": %" PRIu64 " bytes, %" PRIu64 " lines were lost",
			o->lost_bytes, o->lost_lines);
	log_info("%s mended%s", outlet_name(o, name), lost);
	o->error = 0;
	o->lost_bytes = o->lost_lines = 0;
}

/* Who has come back by then has its next turn after all others. */
static void tell(struct outlet *o)
{
	usec_t now = o->set->loop->now_usec;

	while (!list_empty(&o->waiting) && !outlet_is_blocked(o, now)) {
		struct outlet_writer *w =
			list_entry(o->waiting.next, struct outlet_writer, waiting);

		list_remove(&w->waiting);
		w->writable(w);
	}
}

/* Nobody writes to it any more: it stays as long as there is something to do. */
static bool is_over(const struct outlet *o)
{
	return o->n_users == 0 && (o->pending.len == 0 || o->error < 0);
}

static void be_ready(struct outlet *o, uint32_t events)
{
	o->n_users++;
	if (o->ops->ready)
		o->ops->ready(o, events, o->set->loop->now_usec);
	tell(o);
	o->n_users--;
	if (is_over(o))
		o->ops->free(o);
	else
		arm(o);
}

static void on_event(struct loop_source *s, uint32_t events)
{
	struct outlet *o = CONTAINER_OF(s, struct outlet, source);

	o->full = false;
	if (o->idle_events == 0)
		loop_remove(o->set->loop, s);
	else
		(void)loop_modify(o->set->loop, s, o->idle_events);
	be_ready(o, events);
}

static void on_timer(struct loop_timer *t)
{
	be_ready(CONTAINER_OF(t, struct outlet, timer), 0);
}

int outlet_init(struct outlet *o, struct outlet_set *set, const struct outlet_ops *ops,
	const struct spec_target *target)
{
	_cleanup_free_
	char *address = NULL;

	if (target->address) {
		address = strdup(target->address);
		if (!address)
			return -ENOMEM;
	}
	if (loop_timer_add(set->loop, &o->timer) < 0)
		return -ENOMEM;
	o->ops = ops;
	o->set = set;
	o->target = (struct spec_target){.sink = target->sink, .address = TAKE_PTR(address)};
	o->source = (struct loop_source){.fd = -1, .dispatch = on_event};
	o->timer.dispatch = on_timer;
	o->deadline_usec = USEC_INFINITY;
	list_init(&o->waiting);
	list_append(&set->outlets, &o->node);
	return 0;
}

void outlet_fini(struct outlet *o)
{
	char name[OUTLET_NAME_SIZE];

	assert(list_empty(&o->waiting));
	if (o->pending.len > 0)
		log_warning("the last %zu bytes for %s could not be written", o->pending.len,
			outlet_name(o, name));
	outlet_unwatch(o);
	loop_timer_remove(o->set->loop, &o->timer);
	list_remove(&o->node);
	buf_fini(&o->pending);
	free(TAKE_PTR(o->target.address));
}

void outlet_set_init(struct outlet_set *set, struct loop *loop, int inherit_fd)
{
	*set = (struct outlet_set){.loop = loop, .inherit_fd = inherit_fd};
	list_init(&set->outlets);
}

void outlet_set_fini(struct outlet_set *set)
{
	list_foreach_safe (it, &set->outlets) {
		struct outlet *o = list_entry(it, struct outlet, node);

		assert(o->n_users == 0);
		if (o->ops->ready)
			o->ops->ready(o, 0, set->loop->now_usec);
		o->ops->free(o);
	}
}

static bool is_same(const struct spec_target *a, const struct spec_target *b)
{
	return a->sink == b->sink &&
	       (a->sink == SPEC_SINK_INHERIT || strcmp(a->address, b->address) == 0);
}

static int make(struct outlet_set *set, const struct spec_target *target, struct outlet **ret)
{
	switch (target->sink) {
	case SPEC_SINK_INHERIT:
		return standard_new(set, target, ret);
	case SPEC_SINK_JOURNAL:
		return journal_new(set, target, ret);
	case SPEC_SINK_SYSLOG:
		return syslog_new(set, target, ret);
	case SPEC_SINK_SERVICE:
		return set->make_service ? set->make_service(set, target, ret) : -EINVAL;
	case SPEC_SINK_FILE:
	case SPEC_SINK_NONE:
	case SPEC_SINK_MAX:
		break;
	}
	return -EINVAL;
}

int outlet_join(struct outlet_set *set, struct outlet_writer *w, const struct spec_target *target)
{
	struct outlet *o = NULL;
	int r;

	list_foreach (it, &set->outlets) {
		o = list_entry(it, struct outlet, node);
		if (is_same(&o->target, target))
			break;
		o = NULL;
	}
	if (!o) {
		r = make(set, target, &o);
		if (r < 0)
			return r;
	}
	o->n_users++;
	list_init(&w->waiting);
	w->outlet = o;
	w->format = (uint8_t)target->format;
	return 0;
}

void outlet_leave(struct outlet_writer *w)
{
	struct outlet *o = w->outlet;

	if (!o)
		return;
	list_remove(&w->waiting);
	buf_fini(&w->partial);
	w->outlet = NULL;
	w->cut = 0;
	o->n_users--;
	if (is_over(o))
		o->ops->free(o);
}

bool outlet_goes_to(const struct outlet_writer *w, const struct spec_target *target)
{
	return w->outlet && is_same(&w->outlet->target, target) &&
	       w->format == (uint8_t)target->format;
}

static void wait_for_room(struct outlet *o, struct outlet_writer *w, usec_t now)
{
	if (!outlet_is_blocked(o, now))
		outlet_pause(o, now);
	if (w->writable && list_empty(&w->waiting))
		list_append(&o->waiting, &w->waiting);
	arm(o);
}

size_t outlet_take(struct outlet_writer *w, const struct log_origin *origin, const char *data,
	size_t n, usec_t now)
{
	struct outlet *o = w->outlet;
	size_t taken = o->ops->take(o, w, origin, data, n, now);

	if (taken < n)
		wait_for_room(o, w, now);
	return taken;
}

size_t outlet_end(struct outlet_writer *w, const struct log_origin *origin, usec_t now)
{
	size_t lost = 0;

	if (w->partial.len > 0)
		lost = w->outlet->ops->end(w->outlet, w, origin, now);
	buf_fini(&w->partial);
	w->cut = 0;
	return lost;
}
