/*
 * Levels are whole tokens. What is left of the time since the last filling, less than one token's
 * worth, counts for the next one; so no rate is too high or too low to be kept.
 */
#include "engine/logs/rate.h"

#include <string.h>

#include "base/macro.h"

/* Where bytes are limited and a service waits, it goes on when there is this much. */
#define ORDINARY_BYTES 4096

__extension__ typedef unsigned __int128 wide;

static void bucket_configure(struct bucket *b, uint64_t rate, usec_t burst, usec_t now)
{
	wide size = (wide)rate * burst / USEC_PER_SEC;
	bool fresh = b->rate == 0;

	if (size < 1)
		size = 1;
	b->rate = rate;
	b->size = size > INT64_MAX ? INT64_MAX : (uint64_t)size;
	b->level = fresh ? b->size : MIN_OF(b->level, b->size);
	if (fresh)
		b->filled_usec = now;
}

static void bucket_fill(struct bucket *b, usec_t now)
{
	usec_t passed = usec_sub(now, b->filled_usec);
	wide earned = (wide)passed * b->rate;
	wide tokens = earned / USEC_PER_SEC;

	if (b->rate == 0 || tokens == 0)
		return;
	if (tokens >= b->size - b->level) {
		b->level = b->size;
		b->filled_usec = now;
		return;
	}
	b->level += (uint64_t)tokens;
	b->filled_usec = now - (usec_t)(earned % USEC_PER_SEC / b->rate);
}

static bool is_full(const struct bucket *b)
{
	return b->rate == 0 || b->level == b->size;
}

/* When it holds so many. */
static usec_t bucket_when(const struct bucket *b, uint64_t wanted)
{
	uint64_t missing;

	wanted = MIN_OF(wanted, b->size);
	if (b->rate == 0 || b->level >= wanted)
		return 0;
	missing = wanted - b->level;
	return usec_add(
		b->filled_usec, (usec_t)(((wide)missing * USEC_PER_SEC + b->rate - 1) / b->rate));
}

void rate_configure(struct rate *r, const struct spec_rate *limits, usec_t now)
{
	bucket_configure(&r->lines, limits->lines, limits->burst_usec, now);
	bucket_configure(&r->bytes, limits->bytes, limits->burst_usec, now);
}

void rate_fill(struct rate *r, usec_t now)
{
	bucket_fill(&r->lines, now);
	bucket_fill(&r->bytes, now);
}

size_t rate_allow(const struct rate *r, const char *data, size_t n, bool whole)
{
	uint64_t lines = r->lines.rate ? r->lines.level : UINT64_MAX;
	uint64_t bytes = r->bytes.rate ? r->bytes.level : UINT64_MAX;
	bool open = r->open;
	size_t done = 0;

	while (done < n) {
		const char *newline = memchr(data + done, '\n', n - done);
		size_t k = newline ? (size_t)(newline - data) + 1 - done : n - done;

		if (!open && lines == 0)
			break;
		if (k > bytes) {
			if (!whole || (done == 0 && is_full(&r->bytes)))
				done += (size_t)bytes;
			break;
		}
		lines -= !open;
		bytes -= k;
		done += k;
		open = !newline;
	}
	return done;
}

void rate_take(struct rate *r, const char *data, size_t n)
{
	for (size_t done = 0; done < n && r->lines.rate > 0;) {
		const char *newline = memchr(data + done, '\n', n - done);

		if (!r->open)
			r->lines.level -= MIN_OF(r->lines.level, UINT64_C(1));
		r->open = !newline;
		done = newline ? (size_t)(newline - data) + 1 : n;
	}
	if (n > 0)
		r->open = data[n - 1] != '\n';
	if (r->bytes.rate > 0)
		r->bytes.level -= MIN_OF(r->bytes.level, (uint64_t)n);
}

usec_t rate_next(const struct rate *r)
{
	usec_t lines = bucket_when(&r->lines, r->open ? 0 : 1);
	usec_t bytes = bucket_when(&r->bytes, ORDINARY_BYTES);

	return MAX_OF(lines, bytes);
}

size_t rate_refuse_rest(struct rate *r, const char *data, size_t n)
{
	const char *newline;

	if (!r->refusing)
		return 0;
	if (is_full(&r->bytes) && is_full(&r->lines)) {
		r->refusing = false;
		return 0;
	}
	newline = memchr(data, '\n', n);
	r->refusing = !newline;
	return newline ? (size_t)(newline - data) + 1 : n;
}

void rate_refused(struct rate *r, char last)
{
	r->refusing = last != '\n';
	r->open = false;
}
