/*
 * Who does not read: its messages are queued up to a bound. From then on it gets them another
 * way, where there is one (a journal, say); else they are only counted, until it has taken all
 * that it was sent. Then it is told of the gap, at once, and gets
 * messages again: one gap with its length rather than many small ones, in the place where
 * it belongs. A reader that takes nothing at all is dropped by the server, as any other.
 */
#include "engine/control/events/broadcast.h"

#include "base/macro.h"

void broadcast_init(struct broadcast *b, json_t *(*make_lost)(struct broadcast *b, uint64_t n))
{
	*b = (struct broadcast){.max_unread_bytes = BROADCAST_MAX_UNREAD, .make_lost = make_lost};
	list_init(&b->followers);
}

static void on_cancelled(struct server_call *call)
{
	struct follower *f = call->userdata;

	list_remove(&f->node);
	f->gone(f);
}

static void tell_lost(struct follower *f)
{
	_cleanup_buf_ struct buf message = {0};

	if (f->n_lost == 0 ||
		server_encode(f->broadcast->make_lost(f->broadcast, f->n_lost), &message) < 0 ||
		server_send(f->call, &message) < 0)
		return;
	f->n_lost = 0;
	f->queued = message.len;
}

static void on_drained(struct server_call *call)
{
	struct follower *f = call->userdata;

	f->queued = 0;
	if (f->held)
		f->ready(f);
	else
		tell_lost(f);
}

void broadcast_add(
	struct broadcast *b, struct follower *f, struct server_call *call, const struct buf *first)
{
	f->broadcast = b;
	f->call = call;
	f->queued = 0;
	f->n_lost = 0;
	list_append(&b->followers, &f->node);
	call->userdata = f;
	call->cancelled = on_cancelled;
	call->drained = on_drained;
	server_send(call, first);
}

void broadcast_give(struct follower *f, const struct buf *message)
{
	size_t unread;

	if (f->held)
		return;
	unread = server_unread(f->call);
	/* Messages come last in what is unread, behind what it was given at first. */
	f->queued = MIN_OF(f->queued, unread);
	if (unread == 0)
		tell_lost(f); /* could not be told before for lack of memory */
	if (f->n_lost > 0 || message->len == 0 ||
		f->queued + message->len > f->broadcast->max_unread_bytes) {
		if (f->n_lost == 0 && f->behind && f->behind(f))
			return;
		f->n_lost++;
		return;
	}
	if (server_send(f->call, message) == 0)
		f->queued += message->len;
}
