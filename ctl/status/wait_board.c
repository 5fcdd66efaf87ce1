/*
 * Sleeps on a futex word of the mapping: that of the service's slot where it is one, else that of
 * the whole board. A state that was entered and left again before we got to look is known by its
 * counter. Who is killed wakes nobody, so once a second it is looked whether an engine still
 * lives and this still is its board. If anything about that is not as it should be, the engine is
 * asked instead, who has the same services and goes on from what is known of them.
 */
#include <errno.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "ctl/status/board.h"
#include "ctl/status/status.h"
#include "ctl/status/wait.h"

#define LOOK_AGAIN_USEC USEC_PER_SEC

/* One service that is waited for. */
struct target {
	char name[sizeof(((struct supervisord_board_slot *)0)->name)];
	uint32_t id;
	uint32_t entered[SUPERVISORD_BOARD_STATES]; /* when it was first seen */
	bool done;
};

struct targets {
	struct target *targets; /* owned */
	size_t n;
};

static void targets_fini(struct targets *t)
{
	free(t->targets);
}

/* An event as the engine tells it, as far as it is of use here; NULL for lack of memory. */
static json_t *event_of(
	const struct supervisord_board_slot *slot, const char *state, const char *reason)
{
	return json_pack("{s:s,s:s,s:o,s:s}", "service", slot->name, "state", state, "pid",
		slot->pid > 0 ? json_integer(slot->pid) : json_null(), "reason", reason);
}

/* It is in a state that will do, or was; -1. */
static int find_state(
	const struct wait *w, const struct target *t, const struct supervisord_board_slot *slot)
{
	if (slot->state < SUPERVISORD_BOARD_STATES && (w->states & 1u << slot->state))
		return slot->state;
	for (int i = 0; i < SUPERVISORD_BOARD_STATES; i++) {
		if ((w->states & 1u << i) && slot->entered[i] != t->entered[i])
			return i;
	}
	return -1;
}

static int note(struct wait *w, struct target *t, const struct supervisord_board_slot *slot)
{
	int state = find_state(w, t, slot), r;
	/* Why it is where it is says nothing of where it was. */
	const char *reason = state < 0 || state == slot->state ? slot->reason : "";
	json_t *event = event_of(slot,
		supervisord_board_state_name(state < 0 ? slot->state : (unsigned)state), reason);

	if (!event)
		return -ENOMEM;
	t->done = state >= 0;
	r = t->done ? wait_arrived(w, event) : json_object_set(w->services, t->name, event);
	json_decref(event);
	return r < 0 ? -ENOMEM : 0;
}

/* Who is waited for, as each is now. */
static int begin(struct wait *w, const struct board_services *s, struct targets *ret_targets)
{
	int r = 0;

	ret_targets->targets = calloc(s->n + 1, sizeof(*ret_targets->targets));
	if (!ret_targets->targets)
		return -ENOMEM;
	for (size_t i = 0; i < s->n && r >= 0; i++) {
		struct target *t = &ret_targets->targets[ret_targets->n++];
		json_t *event = event_of(&s->services[i].slot, "", "");

		memcpy(t->name, s->services[i].slot.name, sizeof(t->name));
		memcpy(t->entered, s->services[i].slot.entered, sizeof(t->entered));
		t->id = s->services[i].id;
		r = event ? json_object_set_new(w->services, t->name, event) : -ENOMEM;
		w->n_left++;
		if (r == 0)
			r = note(w, t, &s->services[i].slot);
	}
	w->known = r >= 0;
	return r < 0 ? -ENOMEM : 0;
}

/* Those that are left, as they are now. */
static int look(struct wait *w, const struct board *b, struct targets *ts)
{
	struct supervisord_board_slot slot;

	for (size_t i = 0; i < ts->n; i++) {
		struct target *t = &ts->targets[i];
		int r;

		if (t->done)
			continue;
		r = supervisord_board_read(&b->view, t->id, &slot);
		if (mapping_is_lost(&b->mapping))
			return -EAGAIN;
		if (r == SUPERVISORD_BOARD_BUSY)
			continue; /* it is looked at again when that has been written */
		if (r != SUPERVISORD_BOARD_OK || strcmp(slot.name, t->name) != 0)
			return wait_gone(w, json_object_get(w->services, t->name));
		r = note(w, t, &slot);
		if (r < 0)
			return r;
	}
	return 0;
}

static const uint32_t *word_of(const struct board *b, const struct targets *ts)
{
	return ts->n == 1 ? &supervisord_board_at(&b->view, ts->targets[0].id)->transitions
			  : &b->view.head->changes;
}

/* Until the word is another one, for a second at most. */
static void sleep_on(const struct wait *w, const uint32_t *word, uint32_t seen)
{
	usec_t now = usec_now(CLOCK_MONOTONIC);
	usec_t left = MIN_OF(usec_sub(w->deadline, now), LOOK_AGAIN_USEC);
	struct timespec ts = {.tv_sec = (time_t)(left / USEC_PER_SEC),
		.tv_nsec = (long)(left % USEC_PER_SEC) * 1000};

	syscall(SYS_futex, word, FUTEX_WAIT, seen, &ts, NULL, 0);
}

static int wait_on(struct wait *w, const struct board *b, struct targets *ts)
{
	const uint32_t *word = word_of(b, ts);
	usec_t last_check = usec_now(CLOCK_MONOTONIC);

	for (;;) {
		uint32_t seen = supervisord_board_load(word);
		uint32_t flags = supervisord_board_load(&b->view.head->flags);
		int r = look(w, b, ts);
		usec_t now = usec_now(CLOCK_MONOTONIC);

		if (r == 0 && w->n_left == 0)
			return WAIT_DECIDED;
		if (r == 0 && now >= w->deadline)
			return -ETIME;
		if (r < 0)
			return r;
		if (flags & SUPERVISORD_BOARD_ENDED)
			return -ESHUTDOWN;
		if (flags != 0)
			return -EAGAIN;
		if (usec_sub(now, last_check) >= LOOK_AGAIN_USEC) {
			if (!board_is_current(b))
				return -EAGAIN;
			last_check = now;
			if (w->ctl->client.on_tick)
				w->ctl->client.on_tick(w->ctl->client.tick_userdata);
		}
		sleep_on(w, word, seen);
	}
}

int wait_by_board(struct wait *w)
{
	const struct board_names names = {w->ctl->args, w->ctl->n_args};
	_cleanup_board_ struct board b = BOARD_INIT;
	_cleanup_board_services_ struct board_services s = {0};
	_cleanup_(targets_fini) struct targets ts = {0};
	const char *unknown;
	int r = board_open(&b, w->ctl->client.path);

	if (r == 0 && !board_is_attended(&b))
		r = -EAGAIN;
	if (r == 0)
		r = board_read(&b, &names, &s, &unknown);
	if (r < 0)
		return -EAGAIN;
	r = begin(w, &s, &ts);
	if (r == 0)
		r = wait_on(w, &b, &ts);
	return r == -ENOMEM ? -EAGAIN : r;
}

bool wait_tell_last(struct wait *w)
{
	const struct board_names names = {w->ctl->args, w->ctl->n_args};
	_cleanup_board_services_ struct board_services s = {0};
	const char *unknown = NULL;
	int r = board_get(w->ctl->client.path, false, &names, &s, &unknown);
	bool ok = r == 0;

	if (r < 0 && !unknown)
		return false;
	if (unknown)
		ctl_no_such(w->ctl, unknown);
	for (size_t i = 0; i < s.n && ok; i++) {
		const struct supervisord_board_slot *slot = &s.services[i].slot;
		json_t *event =
			event_of(slot, supervisord_board_state_name(slot->state), slot->reason);

		ok = event && wait_seen_last(w, event) == 0;
		json_decref(event);
	}
	status_tell_age(w->ctl, s.changed_usec);
	return true;
}
