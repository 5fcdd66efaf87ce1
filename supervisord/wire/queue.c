/*
 * A reason that is too long is shortened, so that the message still goes: a reader had better know
 * half of it than nothing.
 */
#include "wire/queue.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/macro.h"
#include "wire/body.h"

/* The whole object, or false where it has no room. */
static bool build(const struct queue_message *m, const char *reason, char *ret_body, size_t *ret_n)
{
	char time[USEC_RFC3339_SIZE];
	struct body b;

	usec_rfc3339(m->realtime_usec, time);
	body_begin(&b, ret_body, QUEUE_MAX_BODY);
	body_integer(&b, "v", QUEUE_VERSION);
	body_integer(&b, "seq", (int64_t)m->seq);
	body_string(&b, "time", time);
	body_string(&b, "service", m->service);
	body_string(&b, "state", m->state);
	body_string(&b, "previous", m->previous);
	if (m->pid > 0)
		body_integer(&b, "pid", m->pid);
	else
		body_null(&b, "pid");
	body_integer(&b, "restarts", m->restarts);
	body_string(&b, "reason", reason);
	*ret_n = body_end(&b);
	return !b.cut;
}

/* The largest length <= n at which no UTF-8 sequence is cut. */
static size_t cut(const char *text, size_t n)
{
	while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	return n;
}

int queue_encode(const struct queue_message *m, char ret_body[static QUEUE_MAX_BODY])
{
	char reason[QUEUE_MAX_BODY];
	size_t n, length;

	if (build(m, m->reason, ret_body, &n))
		return (int)n;
	length = MIN_OF(strlen(m->reason), sizeof(reason));
	while (length > 0) {
		length = cut(m->reason, length / 2);
		memcpy(reason, m->reason, length);
		reason[length] = '\0';
		if (build(m, reason, ret_body, &n))
			return (int)n;
	}
	return -EINVAL;
}
