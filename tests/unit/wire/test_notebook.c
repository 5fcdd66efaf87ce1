/* Slots are given, used up, and given again; what is read is what was written, and no more. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "wire/notebook.h"

static struct notebook book, seen; /* seen: as the engine maps it */
static int fd;

static int setup(void **state)
{
	(void)state;
	fd = -1;
	if (notebook_create(&book, &fd) < 0)
		return -1;
	return notebook_open(&seen, fd);
}

static int teardown(void **state)
{
	(void)state;
	notebook_close(&book);
	notebook_close(&seen);
	return close(fd);
}

static const struct link_exit killed = {.code = CLD_KILLED, .status = SIGSEGV, .max_rss_kib = 7};

static void a_reader_sees_each_step(void **state)
{
	const struct link_started start = {.monotonic_usec = 5, .pidfd_inode = 77};
	struct notebook_slot *slot = notebook_begin(&book, 3, 9);
	const struct notebook_slot *other = seen.slots;
	struct link_exit end;

	(void)state;
	assert_int_equal(seen.head->n_used, 1);
	assert_int_equal(other->state, NOTEBOOK_BEGUN);
	assert_int_equal(other->id, 3);
	assert_int_equal(other->generation, 9);
	assert_int_equal(other->pid, 0);
	assert_false(notebook_get_end(other, &end));
	notebook_set_pid(slot, 42, &start);
	assert_int_equal(other->pid, 42);
	assert_int_equal(other->start.pidfd_inode, 77);
	notebook_end(&book, slot, &killed, 6);
	assert_true(notebook_get_end(other, &end));
	assert_memory_equal(&end, &killed, sizeof(end));
	assert_int_equal(other->serial, 6);
	assert_int_equal(seen.head->last_serial, 6);
	/* another process is the main one from now on: the first one's end is no news */
	notebook_set_pid(slot, 43, &(struct link_started){.pidfd_inode = 78});
	assert_false(notebook_get_end(other, &end));
	assert_int_equal(other->pid, 43);
	notebook_drop(&book, slot);
	assert_int_equal(other->state, NOTEBOOK_FREE);
}

static void an_end_that_makes_no_sense_is_none(void **state)
{
	struct notebook_slot *slot = notebook_begin(&book, 1, 1);
	struct link_exit end = {.code = CLD_EXITED, .status = 256}, got;

	(void)state;
	notebook_set_pid(slot, 42, &(struct link_started){0});
	notebook_end(&book, slot, &end, 1);
	assert_false(notebook_get_end(seen.slots, &got));
	notebook_end(&book, slot, &killed, 0);
	assert_false(notebook_get_end(seen.slots, &got));
}

static void more_entries_than_slots_are_counted(void **state)
{
	static struct notebook_slot *slots[NOTEBOOK_SLOTS];

	(void)state;
	for (uint32_t i = 0; i < NOTEBOOK_SLOTS; i++)
		assert_non_null(slots[i] = notebook_begin(&book, i, 1));
	assert_int_equal(seen.head->n_without, 0);
	assert_null(notebook_begin(&book, NOTEBOOK_SLOTS, 1));
	assert_null(notebook_begin(&book, NOTEBOOK_SLOTS, 2));
	assert_int_equal(seen.head->n_without, 2);
	notebook_set_pid(NULL, 42, &(struct link_started){0});
	notebook_end(&book, NULL, &killed, 3);
	assert_int_equal(seen.head->last_serial, 3);
	notebook_drop(&book, NULL);
	notebook_drop(&book, NULL);
	assert_int_equal(seen.head->n_without, 0);
	for (uint32_t i = 0; i < NOTEBOOK_SLOTS; i += 2)
		notebook_drop(&book, slots[i]);
	for (uint32_t i = 0; i < NOTEBOOK_SLOTS; i += 2) {
		struct notebook_slot *slot = notebook_begin(&book, i, 2);

		assert_non_null(slot);
		assert_int_equal(slot->serial, 0);
		assert_int_equal((slot - book.slots) % 2, 0);
	}
	assert_null(notebook_begin(&book, 0, 3));
}

static void nobody_else_can_write_or_cut_it(void **state)
{
	(void)state;
	assert_int_equal(ftruncate(fd, 4096), -1);
	assert_int_equal(errno, EPERM);
	assert_ptr_equal(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
	assert_int_equal(pwrite(fd, "x", 1, 0), -1);
}

static void what_is_no_notebook_is_refused(void **state)
{
	struct notebook n;
	int other = memfd_create("other", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	(void)state;
	assert_true(other >= 0);
	assert_int_equal(notebook_open(&n, other), -EBADMSG); /* it could be cut under us */
	assert_int_equal(ftruncate(other, 8192), 0);
	assert_int_equal(fcntl(other, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK), 0);
	assert_int_equal(notebook_open(&n, other), -EPROTONOSUPPORT); /* of another size */
	close(other);
	book.head->magic++;
	assert_int_equal(notebook_open(&n, fd), -EBADMSG);
	book.head->magic--;
	book.head->version++;
	assert_int_equal(notebook_open(&n, fd), -EPROTONOSUPPORT);
	book.head->version--;
	book.head->n_used = NOTEBOOK_SLOTS + 1;
	assert_int_equal(notebook_open(&n, fd), -EBADMSG);
}

static void without_one_nothing_is_noted(void **state)
{
	struct notebook none = {0};

	(void)state;
	assert_null(notebook_begin(&none, 1, 1));
	notebook_end(&none, NULL, &killed, 1);
	notebook_drop(&none, NULL);
	notebook_close(&none);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_reader_sees_each_step, setup, teardown),
		cmocka_unit_test_setup_teardown(
			an_end_that_makes_no_sense_is_none, setup, teardown),
		cmocka_unit_test_setup_teardown(
			more_entries_than_slots_are_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(nobody_else_can_write_or_cut_it, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_no_notebook_is_refused, setup, teardown),
		cmocka_unit_test(without_one_nothing_is_noted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
