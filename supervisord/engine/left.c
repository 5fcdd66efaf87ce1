/*
 * An engine that is killed meanwhile is followed by one that hears of a generation which has ended,
 * with pipes that something is in: those it reads before it starts another one.
 */
#include "engine/left.h"

#include "base/cleanup.h"
#include "base/sys.h"
#include "engine/engine.h"
#include "engine/service.h"

static bool has_data(int fd)
{
	int n;

	return sys_pending(fd, &n) == 0 && n > 0;
}

bool left_is_in(const struct stream *t)
{
	return t->fd >= 0 && t->pump.waiting && has_data(t->fd);
}

void left_note(struct service *s, uint64_t generation)
{
	if (s->left_generation != generation)
		left_release(s);
	s->left_generation = generation;
}

bool left_take(struct service *s, uint64_t generation, int *fds, unsigned n_fds)
{
	bool taken = false;

	for (unsigned i = 0; i < n_fds && i < s->n_streams; i++) {
		struct stream *t = &s->streams[i];

		if (t->fd >= 0 || !t->pump.gate || fds[i] < 0 || !has_data(fds[i]) ||
			pump_start(&t->pump, fds[i]) < 0)
			continue;
		t->fd = TAKE_FD(fds[i]);
		taken = true;
	}
	if (taken)
		left_note(s, generation);
	return taken;
}

void left_release(struct service *s)
{
	struct link_message m = {
		.type = LINK_RELEASE, .id = s->id, .generation = s->left_generation};

	if (s->left_generation == 0)
		return;
	/* Not by the mark: that may be about the generation after it. */
	uplink_send(s->engine, &m, NULL, 0);
	s->left_generation = 0;
}
