/*
 * supctl run in the test's own process, against a server that follows a script. The server
 * is a thread: it accepts, reads, answers and breaks off as it was told, and keeps what it
 * was asked.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/usec.h"
#include "ctl/ctl.h"
#include "tests/unit/directory.h"

#define DEADLINE_MSEC 10000
#define MAX_REQUESTS  16

/* A script is a list of words; anything else is text that is sent, with its NUL. */
#define ACCEPT "<accept>" /* take a connection */
#define READ   "<read>" /* take a request, and keep it */
#define CLOSE  "<close>" /* end the connection */
#define GONE   "<gone>" /* end connection and socket, as a server that exits */
#define WAIT   "<wait>" /* until the other side ends the connection */
#define PIECE  "<piece>" /* the next text is sent without its NUL */

struct fake {
	char dir[DIRECTORY_SIZE], path[96];
	int listener;
	const char *const *script;
	pthread_t thread;
	char *requests[MAX_REQUESTS]; /* owned */
	size_t n_requests;
	const char *problem; /* what did not go by the script */
	char *out, *err; /* owned: what the last run wrote */
	int status;
};

static inline bool fake_poll(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};

	return poll(&p, 1, DEADLINE_MSEC) > 0;
}

static inline void fake_read(struct fake *f, int fd)
{
	char *text = calloc(1, 1 << 20);
	size_t n = 0;

	while (n < (1 << 20) - 1 && fake_poll(fd, POLLIN) && recv(fd, text + n, 1, 0) == 1 &&
		text[n] != '\0')
		n++;
	if (n == 0)
		f->problem = "no request came";
	if (f->n_requests < MAX_REQUESTS)
		f->requests[f->n_requests++] = text;
	else
		free(text);
}

static inline void *fake_thread(void *userdata)
{
	struct fake *f = userdata;
	bool piece = false;
	char scrap[64];
	int fd = -1;

	for (const char *const *word = f->script; *word && !f->problem; word++) {
		if (strcmp(*word, ACCEPT) == 0) {
			if (!fake_poll(f->listener, POLLIN))
				f->problem = "nobody connected";
			else
				fd = accept(f->listener, NULL, NULL);
		} else if (strcmp(*word, READ) == 0) {
			fake_read(f, fd);
		} else if (strcmp(*word, PIECE) == 0) {
			piece = true;
		} else if (strcmp(*word, WAIT) == 0) {
			if (!fake_poll(fd, POLLIN) || recv(fd, scrap, sizeof(scrap), 0) > 0)
				f->problem = "the connection did not end";
		} else if (strcmp(*word, CLOSE) == 0 || strcmp(*word, GONE) == 0) {
			if (strcmp(*word, GONE) == 0) {
				unlink(f->path);
				close(f->listener);
				f->listener = -1;
			}
			close(fd);
			fd = -1;
		} else {
			size_t n = strlen(*word) + !piece;

			if (send(fd, *word, n, MSG_NOSIGNAL) != (ssize_t)n)
				f->problem = "an answer could not be sent";
			piece = false;
		}
	}
	if (fd >= 0)
		close(fd);
	return NULL;
}

static inline void fake_start(struct fake *f, const char *const *script)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	*f = (struct fake){.script = script};
	directory_make(f->dir);
	snprintf(f->path, sizeof(f->path), "%s/control", f->dir);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", f->path);
	f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_return_code(bind(f->listener, (struct sockaddr *)&address, sizeof(address)), errno);
	assert_return_code(listen(f->listener, 16), errno);
	assert_int_equal(0, pthread_create(&f->thread, NULL, fake_thread, f));
}

static inline void fake_finish(struct fake *f)
{
	pthread_join(f->thread, NULL);
	if (f->listener >= 0)
		close(f->listener);
	f->listener = -1;
	if (f->problem)
		fail_msg("%s", f->problem);
}

static inline void fake_free(struct fake *f)
{
	directory_remove(f->dir);
	for (size_t i = 0; i < f->n_requests; i++)
		free(f->requests[i]);
	free(f->out);
	free(f->err);
}

/* The arguments after -s SOCKET, NULL at the end. */
static inline void run_supctl(struct fake *f, const char *const *args)
{
	const char *argv[32] = {"supctl", "-s", f->path};
	size_t n, out_size, err_size;
	int argc = 3;
	FILE *out = open_memstream(&f->out, &out_size), *err = open_memstream(&f->err, &err_size);

	for (n = 0; args[n]; n++)
		argv[argc++] = args[n];
	f->status = ctl_run(argc, (char **)argv, out, err);
	fclose(out);
	fclose(err);
}

#define SCRIPT(...) ((const char *const[]){__VA_ARGS__, NULL})
#define ARGS(...)   ((const char *const[]){__VA_ARGS__, NULL})

/* A whole run: the server with its script, and supctl with its arguments. */
static inline void run_with(struct fake *f, const char *const *script, const char *const *args)
{
	fake_start(f, script);
	run_supctl(f, args);
	fake_finish(f);
}

static inline json_t *request_parameter(const struct fake *f, size_t i, const char *key)
{
	json_t *request, *value;

	assert_true(i < f->n_requests);
	request = json_loads(f->requests[i], 0, NULL);
	assert_non_null(request);
	value = json_incref(json_object_get(json_object_get(request, "parameters"), key));
	json_decref(request);
	return value;
}
