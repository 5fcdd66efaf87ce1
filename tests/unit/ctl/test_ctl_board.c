/*
 * The reader of a board that lies in a file, as supctl has it.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "ctl/status/board.h"
#include "tests/unit/directory.h"
#include "wire/board_area.h"
#include "wire/control.h"

#define CAPACITY 6

struct fixture {
	char directory[DIRECTORY_SIZE], socket[96], file[96];
	struct board_area area;
	struct board board;
};

static int setup(void **state)
{
	static const uint8_t unknown_boot[16];
	struct fixture *f = calloc(1, sizeof(*f));
	size_t size = board_area_size(CAPACITY);
	void *memory;
	int fd;

	directory_make(f->directory);
	snprintf(f->socket, sizeof(f->socket), "%s/" CONTROL_SOCKET_NAME, f->directory);
	snprintf(f->file, sizeof(f->file), "%s/" SUPERVISORD_BOARD_NAME, f->directory);
	fd = open(f->file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(0, ftruncate(fd, (off_t)size));
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(memory != MAP_FAILED);
	close(fd);
	board_area_format(&f->area, memory, CAPACITY, unknown_boot);
	assert_int_equal(0, board_open(&f->board, f->socket));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	board_close(&f->board);
	munmap(f->area.head, f->area.size);
	directory_remove(f->directory);
	free(f);
	return 0;
}

static void put(struct fixture *f, uint32_t id, const char *name, uint32_t place)
{
	struct supervisord_board_slot slot = {.place = place};

	snprintf(slot.name, sizeof(slot.name), "%s", name);
	board_area_put(&f->area, id, &slot);
}

/* "a b c": the names in the order in which they were told. */
static const char *names(
	struct fixture *f, char *const *patterns, size_t n, int want, char text[static 64])
{
	const struct board_names names = {patterns, n};
	_cleanup_board_services_ struct board_services s = {0};
	const char *unknown = NULL;

	text[0] = '\0';
	assert_int_equal(want, board_read(&f->board, &names, &s, &unknown));
	if (want == -ENOENT)
		assert_non_null(unknown);
	for (size_t i = 0; i < s.n; i++)
		snprintf(text + strlen(text), 64 - strlen(text), "%s ", s.services[i].slot.name);
	return text;
}

static void slots_come_in_the_order_of_the_configuration(void **state)
{
	struct fixture *f = *state;
	char text[64];

	put(f, 0, "a", 0);
	put(f, 2, "b", 1);
	assert_string_equal("a b ", names(f, NULL, 0, 0, text));
	/* One that was put in between has the next slot that is free, and the first one moved. */
	put(f, 1, "c", 7);
	put(f, 5, "d", 2);
	put(f, 0, "a", 5);
	assert_string_equal("b d a c ", names(f, NULL, 0, 0, text));
	assert_string_equal("a c ", names(f, (char *[]){(char[]){"[ac]"}}, 1, 0, text));
	put(f, 4, "e", 3);
	assert_string_equal("b d e a c ", names(f, NULL, 0, 0, text));
}

static void what_nobody_is_called_is_told_beside_the_others(void **state)
{
	struct fixture *f = *state;
	char text[64];

	put(f, 1, "b", 9);
	put(f, 3, "a@2", 4);
	assert_string_equal(
		"a@2 ", names(f, (char *[]){(char[]){"a"}, (char[]){"x"}}, 2, -ENOENT, text));
	assert_string_equal("", names(f, (char *[]){(char[]){"@group"}}, 1, -EOPNOTSUPP, text));
}

static int stop_at_once(const struct supervisord_board_slot *slot, uint32_t id, void *userdata)
{
	(void)slot;
	(void)id;
	++*(int *)userdata;
	return -ENOMEM;
}

static void count_begin(void *userdata)
{
	*(int *)userdata += 100;
}

static void who_is_told_can_end_it(void **state)
{
	struct fixture *f = *state;
	int calls = 0;
	const struct board_visitor v = {count_begin, stop_at_once, &calls};
	const struct board_names all = {0};
	const char *unknown = NULL;

	put(f, 0, "a", 0);
	put(f, 1, "b", 1);
	assert_int_equal(-ENOMEM, board_visit(&f->board, &all, &v, &unknown));
	assert_int_equal(101, calls);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(slots_come_in_the_order_of_the_configuration),
		TEST(what_nobody_is_called_is_told_beside_the_others),
		TEST(who_is_told_can_end_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
