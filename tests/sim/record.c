/*
 * Comparing records: which field differs, and a digest of all that matters, in which times count
 * from a clock's origin. One list of fields, so that a new one is either in it or found missing.
 */
#include <stddef.h>
#include <string.h>

#include "base/macro.h"
#include "check.h"
#include "history.h"

enum kind { PLAIN, TIME, ORDER };

struct field {
	const char *name;
	size_t offset, size;
	enum kind kind;
};

/* clang-format off */
#define FIELD(field, kind) \
	{#field, offsetof(struct core_record, field), \
		sizeof(((struct core_record *)NULL)->field), kind}
static const struct field fields[] = {
	FIELD(state, PLAIN), FIELD(why, PLAIN), FIELD(then, PLAIN), FIELD(end, PLAIN),
	FIELD(desired_up, PLAIN), FIELD(ready, PLAIN), FIELD(killed, PLAIN),
	FIELD(main_ended, PLAIN), FIELD(signo, PLAIN), FIELD(user_signo, PLAIN),
	FIELD(stage, PLAIN), FIELD(pid, PLAIN),
	FIELD(end_status, PLAIN), FIELD(restarts, PLAIN), FIELD(streak, PLAIN),
	FIELD(signal_op, PLAIN), FIELD(generation, PLAIN), FIELD(start_order, ORDER),
	FIELD(ready_order, ORDER), FIELD(since_usec, TIME),
	FIELD(started_usec, TIME), FIELD(ended_usec, TIME), FIELD(deadline_usec, TIME),
	FIELD(phase, PLAIN), FIELD(cause, PLAIN), FIELD(last_cause, PLAIN), FIELD(health, PLAIN), FIELD(early, PLAIN),
	FIELD(queued, PLAIN), FIELD(automatic, PLAIN), FIELD(n_unhealthy, PLAIN),
	FIELD(blocker, PLAIN), FIELD(due_usec, TIME),
};
/* clang-format on */

static uint64_t get(const struct core_record *r, const struct field *f)
{
	const void *at = (const char *)r + f->offset;

	switch (f->size) {
	case 1:
		return *(const uint8_t *)at;
	case 2:
		return *(const uint16_t *)at;
	case 4:
		return *(const uint32_t *)at;
	default:
		return *(const uint64_t *)at;
	}
}

const char *record_difference(const struct core_record *a, const struct core_record *b)
{
	for (size_t i = 0; i < ELEMENTSOF(fields); i++) {
		if (get(a, &fields[i]) != get(b, &fields[i]))
			return fields[i].name;
	}
	return NULL;
}

const char *past_difference(const struct core_past *a, const struct core_past *b)
{
	if (memcmp(a->ops, b->ops, sizeof(a->ops)) != 0)
		return "ops";
	if (memcmp(a->op_generations, b->op_generations, sizeof(a->op_generations)) != 0)
		return "op_generations";
	if (a->n_starts != b->n_starts)
		return "n_starts";
	for (unsigned i = 0; i < a->n_starts; i++) {
		if (a->starts_msec[i] != b->starts_msec[i])
			return "starts_msec";
	}
	return NULL;
}

const char *record_look_difference(const struct core_record *a, const struct core_record *b)
{
	struct core_record r = *a;

	if (a->state == CORE_WAITING && b->state == CORE_WAITING) {
		r.why = b->why;
		r.blocker = b->blocker;
		r.start_order = b->start_order;
	}
	return record_difference(&r, b);
}

static void mix(uint64_t *digest, uint64_t value)
{
	*digest = (*digest ^ value) * UINT64_C(0x9E3779B97F4A7C15);
	*digest ^= *digest >> 29;
}

uint64_t record_digest(const struct core_record *r, const struct core_past *past, usec_t shift,
	bool orders, uint64_t seed)
{
	uint64_t digest = seed;

	for (size_t i = 0; i < ELEMENTSOF(fields); i++) {
		uint64_t value = get(r, &fields[i]);

		if (fields[i].kind == ORDER && !orders)
			continue;
		if (fields[i].kind == TIME && value != 0 && value != USEC_INFINITY)
			value -= shift;
		mix(&digest, value);
	}
	for (unsigned i = 0; i < CORE_MAX_OPS; i++) {
		mix(&digest, past->ops[i]);
		mix(&digest, past->op_generations[i]);
	}
	for (unsigned i = 0; i < past->n_starts; i++)
		mix(&digest, (uint32_t)(past->starts_msec[i] - (uint32_t)(shift / USEC_PER_MSEC)));
	return digest;
}
