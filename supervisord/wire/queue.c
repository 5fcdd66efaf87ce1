/*
 * jansson writes the JSON, so that quoting is right whatever a reason contains. A reason
 * that is too long or no valid UTF-8 is shortened or left out: the message still goes.
 */
#include "wire/queue.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

static json_t *build(const struct queue_message *m, const char *reason, size_t reason_len)
{
	char time[USEC_RFC3339_SIZE];
	json_t *text = json_stringn(reason, reason_len);

	usec_rfc3339(m->realtime_usec, time);
	return json_pack("{s:i,s:I,s:s,s:s,s:s,s:s?,s:o,s:I,s:o}", "v", QUEUE_VERSION, "seq",
		(json_int_t)m->seq, "time", time, "service", m->service, "state", m->state,
		"previous", m->previous, "pid", m->pid > 0 ? json_integer(m->pid) : json_null(),
		"restarts", (json_int_t)m->restarts, "reason", text ? text : json_string(""));
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
	size_t reason_len = strlen(m->reason);

	for (;;) {
		json_t *object = build(m, m->reason, reason_len);
		size_t n;

		if (!object)
			return -ENOMEM;
		n = json_dumpb(object, ret_body, QUEUE_MAX_BODY, JSON_COMPACT);
		json_decref(object);
		if (n == 0)
			return -ENOMEM;
		if (n <= QUEUE_MAX_BODY)
			return (int)n;
		if (reason_len == 0)
			return -EINVAL;
		reason_len = cut(m->reason, reason_len / 2);
	}
}
