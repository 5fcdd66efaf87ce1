/*
 * Mapped files that are cut short: what is registered becomes zeros and is marked, what the
 * file still has stays shared, and a fault elsewhere, or a SIGBUS from outside, is deadly.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/macro.h"
#include "base/mapping.h"

#define N_PAGES 4

struct fixture {
	struct mapping mapping;
	size_t page;
	char *memory;
	int fd;
};

static struct fixture fixture;

static int setup(void **state)
{
	struct fixture *f = &fixture;

	*f = (struct fixture){.page = (size_t)sysconf(_SC_PAGESIZE)};
	f->fd = memfd_create("mapping", MFD_CLOEXEC);
	assert_int_equal(ftruncate(f->fd, (off_t)(N_PAGES * f->page)), 0);
	f->memory = mmap(NULL, N_PAGES * f->page, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
	assert_ptr_not_equal(f->memory, MAP_FAILED);
	for (size_t i = 0; i < N_PAGES; i++)
		f->memory[i * f->page] = (char)('a' + i);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	mapping_remove(&f->mapping);
	munmap(f->memory, N_PAGES * f->page);
	close(f->fd);
	return 0;
}

/* Not in setup(): cmocka has handlers of its own, which it sets between the two. */
static struct fixture *begin(void **state)
{
	assert_int_equal(mapping_init(), 0);
	return *state;
}

static void cut(struct fixture *f, size_t pages)
{
	assert_int_equal(ftruncate(f->fd, (off_t)(pages * f->page)), 0);
}

static void a_page_that_is_gone_reads_as_zeros_and_is_noticed(void **state)
{
	struct fixture *f = begin(state);
	volatile char *memory = f->memory;

	assert_int_equal(mapping_add(&f->mapping, f->memory, N_PAGES * f->page), 0);
	cut(f, 2);
	assert_int_equal(memory[0], 'a');
	assert_false(mapping_is_lost(&f->mapping));
	errno = EXDEV;
	assert_int_equal(memory[2 * f->page], 0);
	assert_int_equal(errno, EXDEV);
	assert_true(mapping_is_lost(&f->mapping));
	assert_int_equal(memory[4 * f->page - 1], 0); /* the last byte of all */
}

static void a_page_that_is_gone_can_be_written_to(void **state)
{
	struct fixture *f = begin(state);
	volatile char *memory = f->memory;

	assert_int_equal(mapping_add(&f->mapping, f->memory, N_PAGES * f->page), 0);
	cut(f, 1);
	memset(f->memory + f->page, 'x', 3 * f->page); /* by the library, too */
	assert_true(mapping_is_lost(&f->mapping));
	assert_int_equal(memory[f->page], 'x');
	assert_int_equal(memory[4 * f->page - 1], 'x');
}

static void what_the_file_still_has_stays_shared(void **state)
{
	struct fixture *f = begin(state);
	volatile char *memory = f->memory;
	char c = 0;

	assert_int_equal(mapping_add(&f->mapping, f->memory, N_PAGES * f->page), 0);
	cut(f, 1);
	memory[f->page] = 'x';
	memory[1] = 'y';
	assert_int_equal(pread(f->fd, &c, 1, 1), 1);
	assert_int_equal(c, 'y');
}

static void a_mapping_can_be_registered_anew(void **state)
{
	struct fixture *f = begin(state);
	volatile char *memory = f->memory;

	assert_int_equal(mapping_add(&f->mapping, f->memory, N_PAGES * f->page), 0);
	cut(f, 0);
	assert_int_equal(memory[0], 0);
	cut(f, N_PAGES);
	f->memory = mmap(f->memory, N_PAGES * f->page, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_FIXED, f->fd, 0);
	assert_int_equal(mapping_add(&f->mapping, f->memory, N_PAGES * f->page), 0);
	assert_false(mapping_is_lost(&f->mapping));
}

/* What ends a child that does something. */
static int signal_that_ends(struct fixture *f, void (*act)(struct fixture *f))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		const struct rlimit none = {0, 0};

		setrlimit(RLIMIT_CORE, &none);
		act(f);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void touch(struct fixture *f)
{
	*(volatile char *)f->memory = 'x';
}

static void send_signal(struct fixture *f _unused_)
{
	raise(SIGBUS);
}

static void a_fault_in_what_is_not_registered_is_deadly(void **state)
{
	struct fixture *f = begin(state);

	cut(f, 0);
	assert_int_equal(signal_that_ends(f, touch), SIGBUS);
	assert_int_equal(mapping_add(&f->mapping, f->memory + f->page, f->page), 0);
	assert_int_equal(signal_that_ends(f, touch), SIGBUS);
	assert_int_equal(mapping_add(&f->mapping, f->memory, N_PAGES * f->page), 0);
	assert_int_equal(signal_that_ends(f, touch), 0);
	mapping_remove(&f->mapping);
	assert_int_equal(signal_that_ends(f, touch), SIGBUS);
}

static void a_signal_that_somebody_sends_is_deadly(void **state)
{
	struct fixture *f = begin(state);

	assert_int_equal(mapping_add(&f->mapping, f->memory, N_PAGES * f->page), 0);
	assert_int_equal(signal_that_ends(f, send_signal), SIGBUS);
}

static void one_more_than_there_is_room_for_is_refused(void **state)
{
	struct fixture *f = begin(state);
	struct mapping more[MAPPING_MAX] = {0};

	assert_int_equal(mapping_add(&f->mapping, f->memory, f->page), 0);
	for (size_t i = 0; i < MAPPING_MAX - 1; i++)
		assert_int_equal(mapping_add(&more[i], f->memory + f->page, f->page), 0);
	assert_int_equal(
		mapping_add(&more[MAPPING_MAX - 1], f->memory + f->page, f->page), -ENOSPC);
	for (size_t i = 0; i < MAPPING_MAX; i++)
		mapping_remove(&more[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_page_that_is_gone_reads_as_zeros_and_is_noticed),
		TEST(a_page_that_is_gone_can_be_written_to),
		TEST(what_the_file_still_has_stays_shared),
		TEST(a_mapping_can_be_registered_anew),
		TEST(a_fault_in_what_is_not_registered_is_deadly),
		TEST(a_signal_that_somebody_sends_is_deadly),
		TEST(one_more_than_there_is_room_for_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
