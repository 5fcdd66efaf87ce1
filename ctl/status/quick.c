/*
 * It is the same board and the same table as in status.c. Whatever is not as simple as can be (any
 * option but the socket's, a name that nobody has, no engine, a failure) is left to that, and what
 * it has to say is said there only.
 */
#include "ctl/status/quick.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "ctl/client/socket.h"
#include "ctl/exit.h"
#include "ctl/output/render.h"
#include "ctl/output/term.h"
#include "ctl/status/board.h"
#include "ctl/status/status_row.h"
#include "wire/control.h"

#define MANY_SERVICES 10000u

struct quick {
	const char *socket; /* borrowed; NULL: not given */
	struct board_names names;
	struct term term;
	struct status_table table;
	usec_t now_usec;
	int error; /* -errno of the first write that failed */
};

/* False: not as simple as that. */
static bool parse(struct quick *q, int argc, char **argv)
{
	int i = 1;

	if (i + 1 < argc && (strcmp(argv[i], "-s") == 0 || strcmp(argv[i], "--socket") == 0)) {
		q->socket = argv[i + 1];
		i += 2;
	}
	if (i >= argc || strcmp(argv[i], "status") != 0 || (q->socket && *q->socket == '\0'))
		return false;
	q->names = (struct board_names){argv + i + 1, (size_t)(argc - i - 1)};
	if (q->names.n > CONTROL_MAX_NAMES)
		return false;
	for (size_t k = 0; k < q->names.n; k++) {
		if (*q->names.texts[k] == '-' || *q->names.texts[k] == '\0')
			return false;
	}
	return true;
}

static void begin(void *userdata)
{
	struct quick *q = userdata;

	q->now_usec = usec_now(CLOCK_MONOTONIC);
	status_table_clear(&q->table);
}

static int add_slot(const struct supervisord_board_slot *slot, uint32_t id _unused_, void *userdata)
{
	struct quick *q = userdata;
	struct status_row row;
	struct status_row_texts texts;

	status_row_of_slot(slot, q->now_usec, &texts, &row);
	return status_table_add(&q->table, &row);
}

static int read_board(struct quick *q)
{
	_cleanup_free_
	char *path = socket_find(q->socket);
	_cleanup_board_ struct board b = BOARD_INIT;
	const struct board_visitor v = {.begin = begin, .visit = add_slot, .userdata = q};
	const char *unknown = NULL;
	int r = path ? board_open_if(&b, path, true) : -ENOMEM;

	if (r == 0)
		r = status_table_init(&q->table, &q->term);
	if (r == 0 && q->names.n == 0)
		r = table_reserve(
			&q->table.table, MIN_OF(supervisord_board_slots(&b.view), MANY_SERVICES));
	return r < 0 ? r : board_visit(&b, &q->names, &v, &unknown);
}

static void write_piece(const struct buf *piece, void *userdata)
{
	struct quick *q = userdata;
	size_t done = 0;

	while (q->error == 0 && done < piece->len) {
		ssize_t n = write(STDOUT_FILENO, piece->data + done, piece->len - done);

		if (n >= 0)
			done += (size_t)n;
		else if (errno != EINTR)
			q->error = -errno;
	}
}

/* As ctl_run() ends: a reader that has seen enough is no failure, a full disk is. */
static int write_table(struct quick *q)
{
	int status = q->names.n > 0 && !q->table.all_up ? CTL_NOT_UP : CTL_DONE;

	if (table_write(&q->table.table, &q->term, write_piece, q) < 0) {
		fputs("supctl: out of memory\n", stderr);
		return CTL_FAILED;
	}
	if (q->error == 0 || q->error == -EPIPE || status != CTL_DONE)
		return status;
	fprintf(stderr, "supctl: cannot write the output: %s\n", strerror(-q->error));
	return CTL_FAILED;
}

int quick_status(int argc, char **argv)
{
	struct quick q = {0};
	int status = -1;

	if (!parse(&q, argc, argv))
		return -1;
	term_init(&q.term, stdout, stderr);
	if (read_board(&q) == 0)
		status = write_table(&q);
	status_table_fini(&q.table);
	return status;
}
