/*
 * A line that is whole within what comes is matched where it is; only what is left at the end
 * is copied, to a buffer for each stream.
 */
#include "engine/ready/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"

struct line {
	size_t n; /* of text; what is beyond it is dropped */
	char text[WATCH_LINE_MAX];
};

struct watch {
	struct matcher *matcher;
	unsigned n_given_up;
	bool over;
	struct line lines[]; /* one for each stream */
};

struct watch *watch_new(unsigned n_streams, struct matcher *matcher)
{
	struct watch *w = calloc(1, sizeof(*w) + n_streams * sizeof(w->lines[0]));

	if (w)
		w->matcher = matcher;
	return w;
}

void watch_free(struct watch *w)
{
	free(w);
}

bool watch_is_over(const struct watch *w)
{
	return w->over;
}

static int judge(struct watch *w, const char *text, size_t n)
{
	int r;

	if (n > 0 && text[n - 1] == '\r')
		n--;
	r = matcher_match(w->matcher, text, MIN_OF(n, (size_t)WATCH_LINE_MAX));
	if (r == -E2BIG && ++w->n_given_up < WATCH_MAX_GIVE_UP)
		r = 0;
	w->over = r == 1 || r == -E2BIG;
	return w->over ? r : 0;
}

static void keep(struct line *l, const char *data, size_t n)
{
	n = MIN_OF(n, WATCH_LINE_MAX - l->n);
	memcpy(l->text + l->n, data, n);
	l->n += n;
}

int watch_take(struct watch *w, unsigned stream, const char *data, size_t n)
{
	struct line *l = &w->lines[stream];
	int r = 0;

	while (n > 0 && !w->over) {
		const char *end = memchr(data, '\n', n);
		size_t k = end ? (size_t)(end - data) : n;

		if (!end || l->n > 0)
			keep(l, data, k);
		if (end) {
			r = l->n > 0 ? judge(w, l->text, l->n) : judge(w, data, k);
			l->n = 0;
		}
		k += end != NULL;
		data += k;
		n -= k;
	}
	return r;
}
