/*
 * The form of a handover, and how it is passed on. Built a second time as a later version of the
 * program (HANDOVER_NEXT), whose records are larger.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/macro.h"
#include "wire/handover.h"

/* Sizes in the first version, and in one that nobody has written yet. */
static const uint32_t first[3] = {704, 272, 160}, far[3] = {1000, 400, 304};

/* A service with one that has ended and one that runs; one with a spawn in flight; one at rest. */
static void make(struct handover *h)
{
	struct handover_entry *e;

	assert_int_equal(handover_alloc(h, 3, 3), 0);
	h->head.last_serial = 12;
	h->head.kept[LINK_KEEP_LOCK] = 70;
	h->head.kept[LINK_KEEP_OLD_ENGINE] = 71;
	h->head.signals[SIGTERM] = (struct handover_signal){.count = 1, .pid = 5, .uid = 6};
	h->head.nofile[1] = 1024;
	h->services[0] = (struct handover_service){.id = 9, .uid = 1000, .newest = 4};
	strcpy(h->services[0].cgroup, "nine");
	h->services[1] = (struct handover_service){.id = 2, .uid = UINT32_MAX, .newest = 7};
	h->services[2] = (struct handover_service){.id = 5, .newest = 1, .input = 95};
	e = h->entries;
	e[0] = (struct handover_entry){.id = 9,
		.flags = HANDOVER_STARTED | HANDOVER_FOSTERED,
		.generation = 4,
		.pid = 400,
		.told_pid = 400,
		.pidfd = 80,
		.successor = 401,
		.successor_fd = 81,
		.last_op = 3,
		.pipes = {82, 0, 83}};
	e[1] = (struct handover_entry){.id = 9,
		.flags = HANDOVER_STARTED | HANDOVER_ENDED,
		.generation = 3,
		.serial = 12,
		.told_pid = 300,
		.exit = {.code = CLD_EXITED, .status = 3}};
	e[2] = (struct handover_entry){
		.id = 2, .generation = 7, .pid = 500, .told_pid = 500, .error_fd = 90};
}

static void encode(void **ret_data, size_t *ret_size)
{
	struct handover h;

	make(&h);
	assert_int_equal(handover_encode(&h, ret_data, ret_size), 0);
	handover_fini(&h);
}

/* The same as a program would have written it whose records have these sizes. */
static void lay_out(void **data, size_t *size, const uint32_t sizes[3])
{
	struct handover_head head;
	const char *from = *data;
	char *laid, *to;

	memcpy(&head, from, sizeof(head));
	{
		const uint32_t had[3] = {head.head_size, head.service_size, head.entry_size};
		const uint32_t n[3] = {1, head.n_services, head.n_entries};

		*size = sizes[0] + (size_t)sizes[1] * n[1] + (size_t)sizes[2] * n[2];
		laid = to = malloc(*size);
		assert_non_null(laid);
		memset(laid, 0xff, *size); /* what the reader does not know */
		for (int kind = 0; kind < 3; kind++)
			for (uint32_t i = 0; i < n[kind]; i++) {
				memcpy(to, from, MIN_OF(sizes[kind], had[kind]));
				to += sizes[kind];
				from += had[kind];
			}
	}
	memcpy(&((struct handover_head *)laid)->head_size, sizes, 3 * sizeof(*sizes));
	free(*data);
	*data = laid;
}

static void check_same(const struct handover *h)
{
	assert_int_equal(h->head.n_services, 3);
	assert_int_equal(h->head.n_entries, 3);
	assert_int_equal(h->head.last_serial, 12);
	assert_int_equal(h->head.kept[LINK_KEEP_LOCK], 70);
	assert_int_equal(h->head.signals[SIGTERM].uid, 6);
	assert_int_equal(h->head.nofile[1], 1024);
	assert_int_equal(h->services[0].id, 2);
	assert_int_equal(h->services[0].input, 0);
	assert_int_equal(h->services[1].id, 5);
	assert_int_equal(h->services[2].id, 9);
	assert_string_equal(h->services[2].cgroup, "nine");
	assert_int_equal(h->entries[0].id, 2);
	assert_int_equal(h->entries[0].error_fd, 90);
	assert_int_equal(h->entries[1].generation, 3);
	assert_int_equal(h->entries[1].exit.status, 3);
	assert_int_equal(h->entries[2].generation, 4);
	assert_int_equal(h->entries[2].pipes[2], 83);
	assert_int_equal(h->entries[2].last_op, 3);
#ifdef HANDOVER_NEXT
	for (int i = 0; i < 3; i++) {
		assert_int_equal(h->services[i].next, 0);
		assert_int_equal(h->entries[i].next[1], 0);
	}
#endif
}

static void what_was_encoded_is_decoded_in_order(void **state _unused_)
{
	struct handover h;
	void *data;
	size_t size;

	encode(&data, &size);
	assert_int_equal(handover_decode(data, size, &h), 0);
	check_same(&h);
	handover_fini(&h);
	free(data);
}

static void programs_with_other_sizes_understand_each_other(void **state _unused_)
{
	struct handover h;
	void *data;
	size_t size;

	encode(&data, &size);
	lay_out(&data, &size, first);
	assert_int_equal(handover_decode(data, size, &h), 0);
	check_same(&h);
	handover_fini(&h);
	free(data);
	encode(&data, &size);
	lay_out(&data, &size, far);
	assert_int_equal(handover_decode(data, size, &h), 0);
	assert_int_equal(h.entries[2].last_op, 3);
	assert_int_equal(h.services[2].newest, 4);
	handover_fini(&h);
	free(data);
}

static void sizes_and_counts_have_to_be_right(void **state _unused_)
{
	static const struct {
		size_t offset;
		int64_t change;
	} cases[] = {
		{offsetof(struct handover_head, magic), 1},
		{offsetof(struct handover_head, head_size), 8},
		{offsetof(struct handover_head, head_size), -700},
		{offsetof(struct handover_head, service_size), 1},
		{offsetof(struct handover_head, entry_size), -1},
		{offsetof(struct handover_head, n_services), 1},
		{offsetof(struct handover_head, n_services), -1},
		{offsetof(struct handover_head, n_entries), 1},
		{offsetof(struct handover_head, n_entries), INT32_MIN},
	};
	struct handover h;
	void *data;
	size_t size;

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		uint32_t value;

		encode(&data, &size);
		memcpy(&value, (char *)data + cases[i].offset, sizeof(value));
		value += (uint32_t)cases[i].change;
		memcpy((char *)data + cases[i].offset, &value, sizeof(value));
		assert_int_equal(handover_decode(data, size, &h), -EBADMSG);
		free(data);
	}
	encode(&data, &size);
	for (size_t n = 0; n < size; n++)
		assert_int_equal(handover_decode(data, n, &h), -EBADMSG);
	((struct handover_head *)data)->version++;
	assert_int_equal(handover_decode(data, size, &h), -EPROTONOSUPPORT);
	free(data);
	assert_int_equal(handover_alloc(&h, HANDOVER_MAX_RECORDS + 1, 0), -E2BIG);
	assert_int_equal(handover_alloc(&h, 0, HANDOVER_MAX_RECORDS + 1), -E2BIG);
}

#define CONTRADICTIONS                               \
	X(h.head.last_serial = 11)                   \
	X(h.head.kept[0] = 2)                        \
	X(h.head.kept[0] = -1)                       \
	X(h.head.kept[0] = 71)                       \
	X(h.head.upgrade_error = -1)                 \
	X(h.services[0].id = 2)                      \
	X(h.services[0].id = 8)                      \
	X(h.services[0].newest = 3)                  \
	X(h.services[0].input = 1)                   \
	X(h.services[0].input = 95)                  \
	X(memset(h.services[1].cgroup, 'x', 256))    \
	X(h.entries[0].generation = 3)               \
	X(h.entries[0].generation = 0)               \
	X(h.entries[0].pidfd = 0)                    \
	X(h.entries[0].pidfd = 70)                   \
	X(h.entries[0].flags = HANDOVER_STARTED)     \
	X(h.entries[0].flags = HANDOVER_FOSTERED)    \
	X(h.entries[0].flags |= HANDOVER_ENDED)      \
	X(h.entries[0].flags |= HANDOVER_ACKED)      \
	X(h.entries[0].pid = 500)                    \
	X(h.entries[0].pid = -400)                   \
	X(h.entries[0].pid = 0)                      \
	X(h.entries[0].told_pid = 401)               \
	X(h.entries[0].serial = 11)                  \
	X(h.entries[0].successor = 0)                \
	X(h.entries[0].successor = -1)               \
	X(h.entries[0].successor_fd = 0)             \
	X(h.entries[0].pipes[1] = 82)                \
	X(h.entries[0].pipes[1] = 1)                 \
	X(h.entries[0].start.flags = 1 << 3)         \
	X(h.entries[1].pid = 300)                    \
	X(h.entries[1].serial = 0)                   \
	X(h.entries[1].exit.code = CLD_STOPPED)      \
	X(h.entries[1].exit.status = 256)            \
	X(h.entries[1].told_pid = 0)                 \
	X(h.entries[1].error_fd = 91)                \
	X(h.entries[2].error_fd = 0)                 \
	X(h.entries[2].flags = HANDOVER_STARTED)     \
	X(h.entries[2].spawn_stage = LINK_STAGE_MAX) \
	X(h.entries[2].spawn_stage = -1)

static void what_contradicts_itself_is_refused(void **state _unused_)
{
	struct handover h, got;
	void *data;
	size_t size;

#define X(change)                                               \
	make(&h);                                               \
	change;                                                 \
	assert_int_equal(handover_encode(&h, &data, &size), 0); \
	if (handover_decode(data, size, &got) != -EBADMSG)      \
		fail_msg("taken: %s", #change);                 \
	handover_fini(&h);                                      \
	free(data);
	CONTRADICTIONS
#undef X
}

/* ---- passing on ---- */

static void a_failed_exec_leaves_all_as_it_was(void **state _unused_)
{
	char *const argv[] = {(char *)"x", NULL};
	struct handover h;
	int image = open("/etc/passwd", O_PATH | O_CLOEXEC);

	assert_int_equal(handover_alloc(&h, 0, 0), 0);
	h.head.kept[3] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(handover_exec(&h, HANDOVER_VARIABLE, image, argv), -EACCES);
	assert_null(getenv(HANDOVER_VARIABLE));
	assert_int_equal(fcntl(h.head.kept[3], F_GETFD), FD_CLOEXEC);
	close(h.head.kept[3]);
	h.head.kept[3] = 9999; /* not open */
	assert_int_equal(handover_exec(&h, HANDOVER_VARIABLE, image, argv), -EBADF);
	close(image);
	handover_fini(&h);
}

static int find_in(const char *text)
{
	struct handover h;
	int r;

	setenv(HANDOVER_VARIABLE, text, 1);
	r = handover_find(HANDOVER_VARIABLE, &h);
	assert_null(getenv(HANDOVER_VARIABLE));
	if (r == 0)
		handover_fini(&h);
	return r;
}

static int find_memfd(int seals, const void *data, size_t size)
{
	int fd = memfd_create("test", MFD_ALLOW_SEALING), r;
	char text[16];

	assert_int_equal(write(fd, data, size), size);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	snprintf(text, sizeof(text), "%d", fd);
	r = find_in(text);
	if (r == 0)
		assert_int_equal(fcntl(fd, F_GETFD), -1);
	else
		close(fd);
	return r;
}

static void only_what_is_a_handover_is_found(void **state _unused_)
{
	const int seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	struct handover h;
	void *data;
	size_t size;
	int fd;

	unsetenv(HANDOVER_VARIABLE);
	assert_int_equal(handover_find(HANDOVER_VARIABLE, &h), -ENOENT);
	assert_int_equal(find_in(""), -EBADF);
	assert_int_equal(find_in("-1"), -EBADF);
	assert_int_equal(find_in("2"), -EBADF);
	assert_int_equal(find_in("99999999999"), -EBADF);
	assert_int_equal(find_in("9999"), -EBADF);
	assert_int_equal(handover_alloc(&h, 0, 0), 0);
	fd = h.head.kept[5] = open("/dev/null", O_RDONLY);
	assert_int_equal(handover_encode(&h, &data, &size), 0);
	assert_int_equal(find_memfd(seals, data, size), 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(find_memfd(seals & ~F_SEAL_WRITE, data, size), -EBADMSG);
	assert_int_equal(find_memfd(seals & ~F_SEAL_GROW, data, size), -EBADMSG);
	assert_int_equal(find_memfd(seals & ~F_SEAL_SEAL, data, size), -EBADMSG);
	assert_int_equal(find_memfd(seals, data, 0), -EBADMSG);
	assert_int_equal(find_memfd(seals, data, size - 1), -EBADMSG);
	close(fd);
	assert_int_equal(find_memfd(seals, data, size), -EBADMSG); /* it names itself */
	free(data);
	h.head.kept[5] = 9999;
	assert_int_equal(handover_encode(&h, &data, &size), 0);
	assert_int_equal(find_memfd(seals, data, size), -EBADF); /* not all are there */
	free(data);
	handover_fini(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_encoded_is_decoded_in_order),
		cmocka_unit_test(programs_with_other_sizes_understand_each_other),
		cmocka_unit_test(sizes_and_counts_have_to_be_right),
		cmocka_unit_test(what_contradicts_itself_is_refused),
		cmocka_unit_test(a_failed_exec_leaves_all_as_it_was),
		cmocka_unit_test(only_what_is_a_handover_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
