/*
 * Whether, and when, a service that has ended is started again.
 *
 * Automatic starts are remembered as a short list of times (milliseconds modulo 2^32, so
 * that 9,000 services cost little); the window is counted over that list, exactly. A run
 * of stable-after forgets the list and the streak: what came before it is another story.
 * With each end, times that the window has left behind are dropped, before they can wrap.
 * Jitter is only ever added, so a restart is never earlier than the configured delay. It may be
 * later where the machine lacks what a start takes: thousands that try again at once, without a
 * delay, would leave time for nothing else.
 */
#include <errno.h>
#include <string.h>

#include "base/macro.h"
#include "core/state.h"

static uint32_t to_msec(usec_t t)
{
	return (uint32_t)(t / USEC_PER_MSEC);
}

/* The list can't tell times further back than it can count; a window is cut to that. */
static uint32_t window_msec(const struct spec_policy *p)
{
	usec_t w = p->restart_window_usec / USEC_PER_MSEC;

	return w < UINT32_MAX / 2 ? (uint32_t)w : UINT32_MAX / 2;
}

unsigned restart_count_in_window(
	const struct spec_policy *p, const struct core_past *past, usec_t now)
{
	unsigned n = 0;

	for (unsigned i = 0; i < past->n_starts; i++) {
		if (to_msec(now) - past->starts_msec[i] <= window_msec(p))
			n++;
	}
	return n;
}

bool restart_is_success(const struct spec_policy *p, const struct core_record *r)
{
	return r->cause == CORE_CAUSE_NONE && r->end == CORE_END_EXITED && r->end_status >= 0 &&
	       r->end_status < 256 &&
	       (p->success_codes[r->end_status / 64] >> (r->end_status % 64) & 1) != 0;
}

bool restart_is_stable(const struct spec_policy *p, bool was_ready, usec_t ran_usec)
{
	return was_ready && p->stable_after_usec > 0 && ran_usec >= p->stable_after_usec;
}

/* It was no end of its own, or none that anybody could ask a process for. */
static bool is_abnormal(const struct core_record *r)
{
	switch ((enum core_cause)r->cause) {
	case CORE_CAUSE_START_TIMEOUT:
	case CORE_CAUSE_WATCHDOG:
	case CORE_CAUSE_TRIGGER:
	case CORE_CAUSE_UNHEALTHY:
		return true;
	case CORE_CAUSE_PRE_START:
	case CORE_CAUSE_NO_MAIN:
		return false;
	case CORE_CAUSE_NONE:
	case CORE_CAUSE_MAX:
		break;
	}
	return r->end == CORE_END_SIGNALLED || r->end == CORE_END_DUMPED ||
	       r->end == CORE_END_UNKNOWN;
}

bool restart_is_wanted(const struct spec_policy *p, const struct core_record *r)
{
	if (r->cause == CORE_CAUSE_UNHEALTHY) /* that key says what follows */
		return p->health_action == SPEC_ACTION_RESTART;
	switch (p->restart) {
	case SPEC_RESTART_ALWAYS:
		return true;
	case SPEC_RESTART_ON_FAILURE:
		return !restart_is_success(p, r);
	case SPEC_RESTART_ON_ABNORMAL:
		return is_abnormal(r);
	case SPEC_RESTART_NEVER:
	case SPEC_RESTART_MAX:
		break;
	}
	return false;
}

enum core_then restart_decide(const struct spec_policy *p, const struct core_record *r,
	const struct core_past *past, usec_t now)
{
	if (!restart_is_wanted(p, r))
		return restart_is_success(p, r) ? CORE_THEN_EXITED : CORE_THEN_FAILED;
	if (p->restart_limit > 0 && restart_count_in_window(p, past, now) >= p->restart_limit)
		return CORE_THEN_FAILED;
	return CORE_THEN_BACKOFF;
}

usec_t restart_delay(const struct spec_policy *p, uint32_t streak, uint64_t random)
{
	usec_t delay = p->restart_delay_usec, max = p->restart_max_delay_usec, jitter;

	/* ends after 64 doublings at most, also for a delay of 0, which stays 0 */
	for (; streak > 0 && delay > 0 && delay < max; streak--)
		delay = delay > max / 2 ? max : delay * 2;
	if (delay > max)
		delay = max;
	/* percent and random are scaled down first: no product can overflow */
	jitter = delay / 100 * p->restart_jitter_percent;
	return usec_add(delay, (usec_t)((unsigned __int128)jitter * random >> 64));
}

/* It did not even begin: whether it can is up to the machine, and to what others give back. */
static bool lacks_resources(const struct core_record *r)
{
	return r->end == CORE_END_SPAWN_FAILED &&
	       (r->end_status == EMFILE || r->end_status == ENFILE || r->end_status == ENOMEM ||
		       r->end_status == EAGAIN);
}

usec_t restart_pause(const struct spec_policy *p, const struct core_record *r, uint64_t random)
{
	usec_t delay = restart_delay(p, r->streak, random);

	return lacks_resources(r) ? MAX_OF(delay, RESTART_LACK_USEC) : delay;
}

void restart_forget_old(
	const struct spec_policy *p, struct core_past *past, usec_t ran_usec, usec_t now)
{
	/* all of them are older than this run, however far their 32 bits have wrapped */
	bool none = ran_usec / USEC_PER_MSEC > window_msec(p);
	unsigned n = past->n_starts, kept = 0;

	if (n == 0)
		return;
	for (unsigned i = 0; i < n && !none; i++) {
		if (to_msec(now) - past->starts_msec[i] <= window_msec(p))
			past->starts_msec[kept++] = past->starts_msec[i];
	}
	past->n_starts = (uint8_t)kept;
}

void restart_note_start(
	const struct spec_policy *p, struct core_record *r, struct core_past *past, usec_t now)
{
	restart_forget_old(p, past, 0, now);
	if (past->n_starts == SPEC_MAX_RESTART_LIMIT) {
		past->n_starts--;
		memmove(past->starts_msec, past->starts_msec + 1,
			past->n_starts * sizeof(past->starts_msec[0]));
	}
	past->starts_msec[past->n_starts++] = to_msec(now);
	r->restarts++;
	r->streak++;
}

void restart_forget(struct core_record *r, struct core_past *past)
{
	if (past->n_starts > 0)
		past->n_starts = 0;
	r->streak = 0;
}
