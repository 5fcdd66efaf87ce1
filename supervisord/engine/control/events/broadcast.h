/*
 * One message to many calls that follow: encoded once, given to each. A reader that does not
 * keep up loses messages of its own, and is told how many; nobody else notices.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/list.h"
#include "engine/control/server/server.h"

/* Unread bytes of messages that one follower may have: a thousand events or so. */
#define BROADCAST_MAX_UNREAD (256u << 10)

struct broadcast {
	struct list followers;
	size_t max_unread_bytes;
	/* What tells a follower that it has lost n messages (owned by the caller); NULL: no memory.
	 */
	json_t *(*make_lost)(struct broadcast *b, uint64_t n);
};

/* One call that follows. Embedded by whoever knows what it wants to hear. */
struct follower {
	struct list node; /* broadcast.followers */
	struct broadcast *broadcast;
	struct server_call *call; /* borrowed from the server */
	size_t queued; /* bytes of messages since the reader had taken everything */
	uint64_t n_lost;
	bool held; /* it gets nothing here for the time being, and that is not lost */
	void (*ready)(struct follower *f); /* while it is held: its reader has taken everything */
	/*
	 * Optional: it has no room for one more message. True: that one and all that follow reach
	 * it another way, for which it is held from now on.
	 */
	bool (*behind)(struct follower *f);
	void (*gone)(struct follower *f); /* its client is: free it; it is in no list any more */
};

void broadcast_init(struct broadcast *b, json_t *(*make_lost)(struct broadcast *b, uint64_t n));

/*
 * Takes over a call with `more`, for good; f has gone set. What is in first goes to it before all
 * else and does not count as unread: it is one reply, made for this one.
 */
void broadcast_add(
	struct broadcast *b, struct follower *f, struct server_call *call, const struct buf *first);

/* A message, encoded by server_encode(); an empty one could not be made, and counts as lost. */
void broadcast_give(struct follower *f, const struct buf *message);
