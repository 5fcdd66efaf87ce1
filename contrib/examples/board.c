/*
 * Prints what supervisord's status board shows, and waits for changes where asked to:
 *
 *     board [-f] [/run/supervisord/status]
 *
 * It needs nothing but the public header: cc -o board board.c, with -I PREFIX/include where
 * supervisord was not installed below /usr. Exit status: 0; 1 where there is no board to be read;
 * 4 where no engine is alive, and what is printed is as last seen.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <supervisord/board.h>

/* Two tries a millisecond apart: a writer that lost its processor gets it back. */
static int read_slot(const struct supervisord_board_view *view, uint32_t index,
	struct supervisord_board_slot *slot)
{
	const struct timespec moment = {0, 1000000};
	int r = supervisord_board_read(view, index, slot);

	if (r != SUPERVISORD_BOARD_BUSY)
		return r;
	nanosleep(&moment, NULL);
	return supervisord_board_read(view, index, slot);
}

static void print_all(const struct supervisord_board_view *view)
{
	uint32_t n = supervisord_board_slots(view), i;

	for (i = 0; i < n; i++) {
		struct supervisord_board_slot slot;
		int r = read_slot(view, i, &slot);

		if (r == SUPERVISORD_BOARD_OK)
			printf("%s %s %d%s%s\n", slot.name,
				supervisord_board_state_name(slot.state), (int)slot.pid,
				slot.reason[0] ? " " : "", slot.reason);
		else if (r == SUPERVISORD_BOARD_BUSY)
			printf("slot %u is being written\n", (unsigned)i);
	}
	fflush(stdout);
}

/* Until something is written, or a second has passed: who was killed wakes nobody. */
static void wait_for_change(const struct supervisord_board_view *view, uint32_t seen)
{
	const struct timespec limit = {1, 0};

	syscall(SYS_futex, &view->head->changes, FUTEX_WAIT, seen, &limit, NULL, 0);
}

/* Prints once, or (follow) whenever something changes, until the board is not the one any more. */
static int show(int fd, const struct supervisord_board_view *view, int follow)
{
	uint32_t seen;

	do {
		/* First the number, then the slots: what changes in between ends the wait. */
		seen = supervisord_board_load(&view->head->changes);
		print_all(view);
		while (follow && supervisord_board_load(&view->head->changes) == seen &&
			supervisord_board_is_attended(fd) == 1)
			wait_for_change(view, seen);
		/* A board that has grown would have to be mapped anew; here, too, it is over. */
	} while (follow && supervisord_board_is_attended(fd) == 1 &&
		 supervisord_board_load(&view->head->flags) == 0);
	if (supervisord_board_is_attended(fd) == 1)
		return 0;
	fprintf(stderr, "no engine is alive: this is as last seen\n");
	return 4;
}

int main(int argc, char **argv)
{
	int follow = argc > 1 && strcmp(argv[1], "-f") == 0;
	const char *path = argc > 1 + follow ? argv[1 + follow] : "/run/supervisord/status";
	int fd = open(path, O_RDONLY | O_CLOEXEC), result;
	struct supervisord_board_view view;
	struct stat st;
	void *memory;

	if (fd < 0 || fstat(fd, &st) < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return 1;
	}
	memory = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED ||
		supervisord_board_look(memory, (size_t)st.st_size, &view) != SUPERVISORD_BOARD_OK) {
		fprintf(stderr, "%s: not a status board that this program knows\n", path);
		return 1;
	}
	result = show(fd, &view, follow);
	munmap(memory, (size_t)st.st_size);
	close(fd);
	return result;
}
