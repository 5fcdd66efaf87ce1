/*
 * supctl and a hostile server: bytes as replies to a verb, as a message of the status queue,
 * or as a service's log. Whatever they are, supctl must end, and what goes to a terminal may
 * hold no control byte but the newlines and colours that supctl wrote itself, and the tabs of
 * a log.
 *
 * Input: a byte of flags, a byte that picks what the rest is given to.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "ctl/logs/show/lines.h"
#include "ctl/output/text.h"
#include "ctl/queue.h"
#include "ctl/verbs.h"

#define MAX_INPUT 65536u

enum flag {
	TERMINAL = 1 << 0,
	UTF8 = 1 << 1,
	NARROW = 1 << 2,
	JSON = 1 << 3,
	RAW = 1 << 4,
	WHY = 1 << 5, /* the rest is given to why, whatever the next byte says */
};

struct run {
	const char *verb;
	const char *args[3];
	size_t n_args;
};

/* Asks twice, and reads no log: no line is wanted. */
static const struct run run_why = {"why", {"web"}, 1};

/* logs reads files, and queue a queue, that the server names: not here. */
static const struct run runs[] = {
	{"status", {0}, 0},
	{"status", {"web", "db"}, 2},
	{"show", {"web"}, 1},
	{"start", {"web"}, 1},
	{"restart", {"web", "db"}, 2},
	{"reset", {"web"}, 1},
	{"signal", {"HUP", "web"}, 2},
	{"version", {0}, 0},
	{"shutdown", {0}, 0},
};

static void check_terminal(const char *text, size_t n, bool utf8, bool tabs)
{
	for (size_t i = 0, length; i < n; i += length) {
		unsigned char c = (unsigned char)text[i];
		uint32_t decoded;
		int r;

		length = 1;
		if (c == '\n' || (c == '\t' && tabs) || (c >= ' ' && c < 0x7f))
			continue;
		if (c == '\033' && i + 1 < n && text[i + 1] == '[') {
			length = 2 + strspn(text + i + 2, "0123456789;");
			if (i + length < n && text[i + length] == 'm')
				continue;
		}
		r = utf8 && c >= 0x80 ? text_decode(text + i, n - i, &decoded) : -EILSEQ;
		if (r <= 0 || decoded < 0xa0)
			abort();
		length = (size_t)r;
	}
}

static void run_verb(struct ctl *ctl, const struct run *run, const uint8_t *data, size_t n)
{
	char *args[ELEMENTSOF(run->args)];
	int fds[2];

	for (size_t i = 0; i < run->n_args; i++)
		args[i] = (char *)run->args[i];
	ctl->verb = verb_find(run->verb);
	ctl->args = args;
	ctl->n_args = run->n_args;
	if (!ctl->verb || client_init(&ctl->client, "/nonexistent/control") < 0 ||
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
		abort();
	ctl->client.bridge_usec = ctl->client.refused_usec = 0;
	ctl->client.fd = fds[0];
	if (n > 0 && send(fds[1], data, n, 0) != (ssize_t)n)
		abort();
	shutdown(fds[1], SHUT_WR);
	ctl->verb->run(ctl);
	client_fini(&ctl->client);
	close(fds[1]);
}

static void show_message(struct ctl *ctl, const uint8_t *data, size_t n)
{
	json_t *message = json_loadb((const char *)data, n, 0, NULL);
	_cleanup_buf_ struct buf line = {0};

	if (json_is_object(message)) {
		if (queue_render(2, message, term_text_flags(&ctl->term), &line) < 0)
			abort();
		ctl_write(ctl, &line);
	}
	json_decref(message);
}

/* In pieces whose lengths the bytes themselves decide. */
static void show_log(struct ctl *ctl, const uint8_t *data, size_t n)
{
	struct lines l = {.ctl = ctl, .prefixed = ctl->json, .label_width = 7};
	struct source s = {
		.name = strdup("web"),
		.label = strdup("web/err"),
		.stream = "error",
		.colour = "",
	};

	while (n > 0) {
		size_t piece = MIN_OF(n, (size_t)data[0] + 1);

		if (lines_feed(&l, &s, (const char *)data, piece) < 0)
			abort();
		data += piece;
		n -= piece;
	}
	if (lines_end(&l, &s) < 0)
		abort();
	source_fini(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ctl ctl = {.client.fd = -1, .no_wait = true};
	char *out = NULL, *err = NULL;
	size_t n_out, n_err, which;
	unsigned flags;

	if (size < 2 || size > MAX_INPUT)
		return 0;
	flags = data[0];
	ctl.json = flags & JSON;
	ctl.raw = flags & RAW;
	ctl.term = (struct term){
		.is_terminal = flags & TERMINAL,
		.is_utf8 = !(flags & TERMINAL) || (flags & UTF8),
		.colours = flags & TERMINAL,
		.width = !(flags & TERMINAL) ? 0
			 : flags & NARROW    ? 10
					     : 80,
	};
	ctl.out = open_memstream(&out, &n_out);
	ctl.err = open_memstream(&err, &n_err);
	if (!ctl.out || !ctl.err)
		abort();
	which = data[1] % (ELEMENTSOF(runs) + 2);
	if (flags & WHY)
		run_verb(&ctl, &run_why, data + 2, size - 2);
	else if (which < ELEMENTSOF(runs))
		run_verb(&ctl, &runs[which], data + 2, size - 2);
	else if (which == ELEMENTSOF(runs))
		show_message(&ctl, data + 2, size - 2);
	else
		show_log(&ctl, data + 2, size - 2);
	fclose(ctl.out);
	fclose(ctl.err);
	if ((flags & TERMINAL) && !(flags & RAW))
		check_terminal(
			out, n_out, flags & UTF8, !(flags & WHY) && which > ELEMENTSOF(runs));
	if (flags & TERMINAL)
		check_terminal(err, n_err, flags & UTF8, false);
	free(out);
	free(err);
	return 0;
}
