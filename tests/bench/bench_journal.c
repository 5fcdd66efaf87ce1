/*
 * What an event costs: writing its body (as that of a change of state), appending it, reading
 * it back, and opening a full journal as the engine does after a death.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/usec.h"
#include "wire/body.h"
#include "wire/journal.h"

#define N 200000u

static size_t make_body(uint64_t seq, char data[static JOURNAL_MAX_BODY])
{
	struct body b;
	char time[USEC_RFC3339_SIZE];

	usec_rfc3339(usec_now(CLOCK_REALTIME), time);
	body_begin(&b, data, JOURNAL_MAX_BODY);
	body_string(&b, "type", "state");
	body_integer(&b, "seq", (int64_t)seq);
	body_string(&b, "time", time);
	body_integer(&b, "monotonic_us", (int64_t)usec_now(CLOCK_MONOTONIC));
	body_string(&b, "service", "web@1");
	body_string(&b, "state", "stopping");
	body_string(&b, "previous", "running");
	body_integer(&b, "pid", 12345);
	body_integer(&b, "restarts", 0);
	body_string(&b, "reason", "by request; TERM sent, KILL after 10s");
	body_string(&b, "why", "operator");
	body_string(&b, "desired", "down");
	body_integer(&b, "generation", 17);
	body_integer(&b, "queue_seq", (int64_t)seq);
	for (unsigned i = 0; i < 2; i++) {
		body_open(&b, i == 0 ? "cause" : "asked", '{');
		body_integer(&b, "seq", (int64_t)seq);
		body_string(&b, "verb", "stop");
		body_integer(&b, "uid", 0);
		body_integer(&b, "client_pid", 4711);
		body_close(&b);
	}
	return body_end(&b);
}

static void tell(const char *what, usec_t span, unsigned n)
{
	printf("%-32s %8.2f us\n", what, (double)span / n);
}

int main(void)
{
	static const uint8_t id[16] = {1};
	char body[JOURNAL_MAX_BODY];
	uint8_t *memory = calloc(1, JOURNAL_FILE_SIZE);
	struct journal_stamp stamp = {.kind = JOURNAL_STATE, .subject = journal_subject("web@1")};
	struct journal_damage damage;
	struct journal_cursor c;
	struct journal_entry entry;
	struct journal j;
	unsigned n = 0;
	size_t length = 0;
	usec_t begin;
	int r;

	if (!memory)
		return EXIT_FAILURE;
	journal_format(&j, memory, JOURNAL_FILE_SIZE, id, 0);
	begin = usec_now(CLOCK_MONOTONIC);
	for (unsigned i = 0; i < N; i++)
		length = make_body(i, body);
	tell("write a body", usec_now(CLOCK_MONOTONIC) - begin, N);
	begin = usec_now(CLOCK_MONOTONIC);
	for (unsigned i = 0; i < N; i++)
		journal_append(&j, i + 1, &stamp, body, length);
	tell("append it", usec_now(CLOCK_MONOTONIC) - begin, N);
	begin = usec_now(CLOCK_MONOTONIC);
	journal_seek_after(0, &c);
	while ((r = journal_next(&j, &c, &entry)) != 0)
		n += r == 1;
	tell("read one", usec_now(CLOCK_MONOTONIC) - begin, n);
	begin = usec_now(CLOCK_MONOTONIC);
	r = journal_open(&j, memory, JOURNAL_FILE_SIZE, &damage);
	tell("open a full journal", usec_now(CLOCK_MONOTONIC) - begin, 1);
	printf("%-32s %8u of %zu bytes\n", "records in a full journal", n, length);
	free(memory);
	return r < 0 || damage.bytes > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
