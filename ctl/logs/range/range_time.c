/*
 * Times go up in a log, but for lines that tell none (they belong to the one before) and a clock
 * that was set. So a file is searched by halves: from the middle on the next line with a time is
 * looked for, until what is left is small enough to be read through. What a program unpacks can
 * only be read from its beginning; but only the file in which the time lies is.
 */
#include <errno.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "ctl/logs/file/linetime.h"
#include "ctl/logs/range/range.h"

#define PROBE_SIZE  8192
#define SMALL_SIZE  65536
#define SAMPLE_SIZE 65536
#define SAMPLES	    2
/* Lines may have got their time so long before the rotation that makes way for them. */
#define LATE_USEC USEC_PER_MINUTE

struct hit {
	off_t offset;
	usec_t realtime;
};

/*
 * The first line with a time of at least `least` that begins at from or later and before `before`;
 * from is the beginning of a line unless `within`. 1, 0 for none, -errno. *ret_any: one had a time.
 */
static int scan(struct input in, bool within, off_t before, off_t end, usec_t least,
	struct hit *ret_hit, bool *ret_any)
{
	_cleanup_(feed_fini) struct feed feed;
	struct feed_line line;
	usec_t realtime;
	int r;

	feed_init(&feed, in, end, PROBE_SIZE);
	while ((r = feed_next(&feed, &line)) > 0) {
		bool skipped = within || !line.begins;

		if (line.offset >= before)
			return 0;
		within = within && !line.ends;
		if (skipped || linetime_parse(line.text, line.n, &realtime) < 0)
			continue;
		*ret_any = true;
		if (realtime < least)
			continue;
		*ret_hit = (struct hit){line.offset, realtime};
		return 1;
	}
	return r;
}

/*
 * Some line with a time in the upper half of what is left. Little is read at each place: after
 * that, as in a line of a gigabyte, it is the half of the rest that is looked into. As scan().
 */
static int probe(int fd, off_t middle, off_t high, struct hit *ret_hit, bool *ret_any)
{
	off_t from = middle;
	int r = 0;

	while (r == 0 && from < high) {
		r = scan(
			input_of(fd, from - 1), true, high, from + SMALL_SIZE, 0, ret_hit, ret_any);
		if (high - from <= SMALL_SIZE)
			break;
		from += (high - from) / 2;
	}
	return r;
}

/* The first line of that time or later: its offset, or end. */
static int search_halves(
	int fd, off_t start, off_t end, usec_t realtime, off_t *ret_offset, bool *ret_any)
{
	off_t low = start, high = end, best = end;
	struct hit hit;
	int r;

	while (high - low > SMALL_SIZE) {
		off_t middle = low + (high - low) / 2;

		r = probe(fd, middle, high, &hit, ret_any);
		if (r < 0)
			return r;
		if (r == 0)
			high = middle;
		else if (hit.realtime < realtime)
			low = hit.offset;
		else
			best = high = hit.offset;
	}
	r = scan(input_of(fd, low), false, high, end, realtime, &hit, ret_any);
	if (r < 0)
		return r;
	*ret_offset = r > 0 ? hit.offset : best;
	return 0;
}

/*
 * The same in a piece; its end is known afterwards where it isn't compressed. 0; -ENODATA where no
 * line tells a time; -errno.
 */
static int search(const struct range *r, struct piece *p, usec_t realtime, off_t *ret_offset)
{
	struct input in;
	struct hit hit;
	struct stat st;
	bool any = false;
	int result = range_open(r, p, p->start, &in);

	if (result < 0)
		return result;
	if (in.packed) {
		result = scan(in, false, p->end, p->end, realtime, &hit, &any);
		*ret_offset = result > 0 ? hit.offset : p->end;
	} else {
		if (fstat(in.fd, &st) < 0)
			result = -errno;
		else if (st.st_size < p->end)
			p->end = st.st_size;
		if (result == 0)
			result = search_halves(in.fd, p->start, p->end, realtime, ret_offset, &any);
		input_fini(&in);
	}
	if (result < 0)
		return result;
	return any ? 0 : -ENODATA;
}

/* 1 where a line between two offsets of an input tells its time, 0, -errno. */
static int sample(struct input in, bool within, off_t end)
{
	struct hit hit;
	bool any = false;
	int r = scan(in, within, end, end, 0, &hit, &any);

	return r < 0 ? r : any;
}

/* -ENODATA: there is nothing in it. */
static int has_times(const struct range *r, const struct piece *p)
{
	_cleanup_(input_fini) struct input in = {.fd = -1};
	struct stat st;
	off_t end = p->end;
	int result = range_open(r, p, p->start, &in);

	if (result < 0)
		return result;
	if (in.packed) {
		struct input rest = in;

		in = (struct input){.fd = -1};
		return sample(rest, false, p->start + SAMPLE_SIZE);
	}
	if (fstat(in.fd, &st) < 0)
		return -errno;
	if (st.st_size < end)
		end = st.st_size;
	if (end <= p->start)
		return -ENODATA;
	result = 0;
	if (end - p->start > SAMPLE_SIZE)
		result = sample(input_of(in.fd, end - SAMPLE_SIZE), true, end);
	return result != 0 ? result
			   : sample(input_of(in.fd, p->start), false,
				     end < p->start + SAMPLE_SIZE ? end : p->start + SAMPLE_SIZE);
}

bool range_has_times(const struct range *r)
{
	unsigned looked = 0;

	for (size_t i = r->n; i > 0 && looked < SAMPLES; i--) {
		int result = has_times(r, &r->pieces[i - 1]);

		if (result > 0)
			return true;
		looked += result == 0;
	}
	return false;
}

static usec_t end_of(const struct piece *p)
{
	return p->file.stamp[0] != '\0' ? rotated_end(p->file.stamp) : USEC_INFINITY;
}

int range_since(struct range *r, usec_t realtime)
{
	size_t first = 0;

	while (first < r->n && end_of(&r->pieces[first]) < realtime)
		first++;
	for (; first < r->n; first++) {
		struct piece *p = &r->pieces[first];
		off_t offset;
		int result = search(r, p, realtime, &offset);

		if (result == -ENOMEM)
			return result;
		if (result == -ENODATA)
			break; /* its name says as much as can be known */
		if (result < 0) {
			p->error = result;
			break;
		}
		p->start = offset;
		if (p->start < p->end)
			break;
	}
	range_drop_older(r, first);
	return 0;
}

int range_until(struct range *r, usec_t realtime)
{
	size_t n = r->n;

	while (n > 1 && end_of(&r->pieces[n - 2]) > usec_add(realtime, LATE_USEC))
		n--;
	for (; n > 0; n--) {
		struct piece *p = &r->pieces[n - 1];
		off_t offset;
		int result = search(r, p, realtime + 1, &offset);

		if (result == -ENOMEM)
			return result;
		if (result == -ENODATA)
			break;
		if (result < 0) {
			p->error = result;
			break;
		}
		p->end = offset;
		if (p->start < p->end)
			break;
	}
	range_drop_newer(r, n);
	return 0;
}
