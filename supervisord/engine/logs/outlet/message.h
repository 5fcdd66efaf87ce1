/*
 * How a line is put into a message for somebody: what is the same for all lines of a batch is
 * formatted once, and the line itself isn't copied.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/macro.h"
#include "engine/logs/origin.h"
#include "engine/logs/outlet/lines.h"

#define MESSAGE_HEAD_SIZE 512
#define MESSAGE_MAX_IOV	  8

struct message_head {
	size_t n;
	char text[MESSAGE_HEAD_SIZE];
};

/* Borrows from head and line, and from itself: it must not move. */
struct message {
	struct iovec iov[MESSAGE_MAX_IOV];
	size_t n_iov;
	uint64_t length; /* little endian, for the journal */
};

struct message_form {
	size_t max_line; /* bytes; longer ones are cut into several messages */
	void (*head)(
		const struct outlet *o, const struct log_origin *origin, struct message_head *ret);
	void (*message)(
		const struct message_head *head, const struct line *line, struct message *ret);
};

/* What snprintf() returned for it. */
static inline size_t message_head_length(int n)
{
	return n < 0 ? 0 : MIN_OF((size_t)n, (size_t)MESSAGE_HEAD_SIZE - 1);
}

static inline void message_add(struct message *m, const void *data, size_t n)
{
	if (n > 0)
		m->iov[m->n_iov++] = (struct iovec){.iov_base = (void *)data, .iov_len = n};
}

static inline size_t message_size(const struct message *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n_iov; i++)
		n += m->iov[i].iov_len;
	return n;
}
