/*
 * The pump's intent: what is read is what was committed last, or it is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "wire/intent.h"

struct room {
	_Alignas(uint64_t) uint8_t bytes[INTENT_ROOM_SIZE];
};

static const struct intent example = {
	.phase = INTENT_WRITE,
	.stream = 1,
	.line = INTENT_LINE_OPEN,
	.timestamps = 2,
	.id = 7,
	.total = 3000,
	.batch = 2000,
	.done = 1000,
	.length = 500,
	.device = 1,
	.inode = 2,
	.offset = 3,
	.realtime_usec = 4,
	.utc_offset_sec = -3600,
	.bytes = 5,
	.rotated_usec = 6,
};

static void a_room_that_was_never_used_says_idle(void **state _unused_)
{
	struct room r = {0};
	struct intent i = example;

	assert_int_equal(intent_load(&r, &i), 0);
	assert_int_equal(i.phase, INTENT_IDLE);
	assert_int_equal(i.total, 0);
}

static void the_last_one_committed_is_read(void **state _unused_)
{
	struct room r = {0};

	for (uint32_t k = 0; k < 5; k++) {
		struct intent in = example, out = {0};

		in.id = k;
		intent_commit(&r, &in);
		assert_int_equal(intent_load(&r, &out), 0);
		assert_memory_equal(&in, &out, sizeof(in));
	}
}

/* A commit that gets no further than filling in has changed nothing but the other place. */
static void one_that_is_torn_is_not_read(void **state _unused_)
{
	struct room r = {0};
	struct intent in = example, out;

	for (uint32_t k = 0; k < 4; k++) {
		struct room before, after;
		size_t changed = 0;

		in.id = k;
		intent_commit(&r, &in);
		before = after = r;
		in.id = k + 100;
		in.phase = INTENT_DONE;
		intent_commit(&after, &in);
		/* Byte by byte, in any order, all but the number at 8. */
		for (size_t b = 16; b < sizeof(r.bytes); b++) {
			changed += before.bytes[b] != after.bytes[b];
			before.bytes[b] = after.bytes[b];
			assert_int_equal(intent_load(&before, &out), 0);
			assert_int_equal(out.id, k);
			assert_int_equal(out.phase, INTENT_WRITE);
		}
		assert_true(changed > 0);
		in.phase = INTENT_WRITE;
	}
}

static void nonsense_is_refused(void **state _unused_)
{
	const struct {
		size_t offset, size;
		uint64_t good, bad;
	} cases[] = {
#define FIELD(member, good, bad) \
	{offsetof(struct intent, member), sizeof(example.member), good, bad}
		FIELD(phase, INTENT_PHASE_MAX - 1, INTENT_PHASE_MAX),
		FIELD(stream, 1, 2),
		FIELD(line, INTENT_LINE_MAX - 1, INTENT_LINE_MAX),
		FIELD(timestamps, 2, 3),
		FIELD(id, (1 << 20) - 1, 1 << 20),
		FIELD(total, INTENT_MAX_BYTES, INTENT_MAX_BYTES + 1),
		FIELD(batch, 3000, 3001),
		FIELD(done, 2000, 2001),
		FIELD(offset, INT64_MAX - 500, INT64_MAX - 499),
		FIELD(length, UINT64_C(512) << 30, (UINT64_C(512) << 30) + 1),
		FIELD(realtime_usec, UINT64_C(253402300799999999), UINT64_C(253402300800000000)),
		FIELD(rotated_usec, UINT64_C(253402300799999999), UINT64_C(253402300800000000)),
		FIELD(utc_offset_sec, 93600, 93601),
		FIELD(utc_offset_sec, (uint32_t)-93600, (uint32_t)-93601),
#undef FIELD
	};

	for (size_t k = 0; k < ELEMENTSOF(cases); k++) {
		struct room r = {0};
		struct intent i = example, out = example;

		memcpy((char *)&i + cases[k].offset, &cases[k].good, cases[k].size);
		intent_commit(&r, &i);
		assert_int_equal(intent_load(&r, &out), 0);
		memcpy((char *)&i + cases[k].offset, &cases[k].bad, cases[k].size);
		intent_commit(&r, &i);
		assert_int_equal(intent_load(&r, &out), -EBADMSG);
	}
}

static void another_version_is_refused(void **state _unused_)
{
	struct room r = {0};
	struct intent i = example;
	uint32_t version = INTENT_VERSION + 1;

	intent_commit(&r, &i);
	memcpy(r.bytes, &version, sizeof(version));
	assert_int_equal(intent_load(&r, &i), -EPROTONOSUPPORT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_room_that_was_never_used_says_idle),
		cmocka_unit_test(the_last_one_committed_is_read),
		cmocka_unit_test(one_that_is_torn_is_not_read),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(another_version_is_refused),
	};

	return cmocka_run_group_tests_name("intent", tests, NULL, NULL);
}
