/*
 * Lines are made one at a time. Most are short, some are longer than PIPE_BUF, a few longer than
 * what a rotation keeps whole.
 */
#include "torture_stream.h"

#include <stdio.h>
#include <string.h>

uint64_t stream_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

void stream_init(
	struct stream *s, const char *name, uint64_t seed, enum stream_style style, uint32_t run)
{
	s->name = name;
	s->seed = seed;
	s->style = style;
	s->run = run;
	s->line = 0;
	s->begun = false;
	s->n = s->done = 0;
}

static size_t payload_length(uint64_t draw)
{
	size_t spread = (draw & 0xff) == 0 ? STREAM_MAX_PAYLOAD : (draw & 0xf) == 0 ? 6000 : 150;

	return (size_t)(draw >> 8) % spread;
}

static void fill(char *to, size_t n, enum stream_style style, uint64_t *state)
{
	for (size_t i = 0; i < n; i += 8) {
		uint64_t word = stream_random(state);

		/* Bytes from ' ' to '_'. */
		if (style == STREAM_TEXT)
			word = (word & UINT64_C(0x3f3f3f3f3f3f3f3f)) + UINT64_C(0x2020202020202020);
		memcpy(to + i, &word, n - i < 8 ? n - i : 8);
	}
	if (style == STREAM_TEXT)
		return;
	for (size_t i = 0; i < n; i++)
		to[i] = to[i] == STREAM_MARK ? '\0' : to[i];
}

static uint32_t checksum(const char *data, size_t n)
{
	uint32_t sum = 2166136261u;

	for (size_t i = 0; i < n; i++)
		sum = (sum ^ (unsigned char)data[i]) * 16777619u;
	return sum;
}

static void make_line(struct stream *s)
{
	uint64_t state = s->seed ^ ((uint64_t)s->run << 32 | s->line);
	size_t length = payload_length(stream_random(&state)), n;

	n = (size_t)snprintf(s->data, sizeof(s->data), "%08x %08x ", s->run, s->line);
	fill(s->data + n, length, s->style, &state);
	n += length;
	s->n = n +
	       (size_t)snprintf(s->data + n, sizeof(s->data) - n, " %08x\n", checksum(s->data, n));
	s->line++;
}

const char *stream_peek(struct stream *s, size_t *ret_n)
{
	if (s->done == s->n) {
		s->done = 0;
		if (s->begun)
			make_line(s);
		else
			s->n = (size_t)snprintf(s->data, sizeof(s->data), "%c%08x %.*s\n",
				STREAM_MARK, s->run, STREAM_MAX_NAME, s->name);
		s->begun = true;
	}
	*ret_n = s->n - s->done;
	return s->data + s->done;
}

void stream_take(struct stream *s, size_t n)
{
	s->done += n;
}
