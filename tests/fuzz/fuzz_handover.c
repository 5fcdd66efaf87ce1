/*
 * Any bytes as a handover. What is taken can be encoded, and decoded to the same again; no
 * descriptor in it is one of 0, 1 and 2, or named twice.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "wire/handover.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	int32_t fds[4096];
	size_t n;
};

static int see(int32_t *fd, void *context)
{
	struct seen *s = context;

	if (*fd <= 2)
		abort();
	for (size_t i = 0; i < s->n; i++)
		if (s->fds[i] == *fd)
			abort();
	if (s->n < 4096)
		s->fds[s->n++] = *fd;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct seen seen;
	struct handover h, again;
	_cleanup_free_
	void *flat = NULL;
	size_t n;
	int r;

	if (size > 65536)
		return 0;
	r = handover_decode(data, size, &h);
	if (r == -EBADMSG || r == -EPROTONOSUPPORT)
		return 0;
	if (r != 0 || handover_encode(&h, &flat, &n) != 0 || handover_decode(flat, n, &again) != 0)
		abort();
	if (memcmp(h.entries, again.entries, h.head.n_entries * sizeof(*h.entries)) != 0 ||
		memcmp(h.services, again.services, h.head.n_services * sizeof(*h.services)) != 0)
		abort();
	seen.n = 0;
	handover_each_fd(&h, see, &seen);
	if (seen.n > handover_max_fds(&h))
		abort();
	handover_fini(&h);
	handover_fini(&again);
	return 0;
}
