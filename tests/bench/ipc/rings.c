/*
 * Memory that both processes see: anonymous, or of a file. Each direction is a ring of bytes
 * with one writer and one reader, who sleep on a futex only when it is full or empty.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "mechanism.h"

#define RING_SIZE (256u * 1024) /* a power of two */
#define SPINS	  200 /* looks before it sleeps */

struct ring {
	/* Bytes ever written and read, modulo 2^32: their difference is what is in it. */
	_Alignas(64) _Atomic uint32_t written;
	_Atomic uint32_t reader_sleeps;
	_Alignas(64) _Atomic uint32_t read;
	_Atomic uint32_t writer_sleeps;
	_Alignas(64) char data[RING_SIZE];
};

static struct ring *rings;

static void futex(_Atomic uint32_t *word, int op, uint32_t value)
{
	/* Whatever it says, the caller looks again. */
	(void)syscall(SYS_futex, word, op, value, NULL, NULL, 0);
}

/* Until *word is no longer old. sleeps: tells the other one that it has to be woken. */
static uint32_t wait_for_change(_Atomic uint32_t *word, uint32_t old, _Atomic uint32_t *sleeps)
{
	uint32_t now;

	for (int i = 0; i < SPINS; i++) {
		now = atomic_load_explicit(word, memory_order_acquire);
		if (now != old)
			return now;
	}
	atomic_store(sleeps, 1);
	while ((now = atomic_load(word)) == old)
		futex(word, FUTEX_WAIT, old);
	atomic_store(sleeps, 0);
	return now;
}

static void advance(_Atomic uint32_t *word, uint32_t value, _Atomic uint32_t *sleeps)
{
	atomic_store(word, value);
	if (atomic_load(sleeps))
		futex(word, FUTEX_WAKE, 1);
}

static int ring_send(enum direction d, const char *data, size_t n)
{
	struct ring *r = &rings[d];
	uint32_t written = atomic_load_explicit(&r->written, memory_order_relaxed);
	uint32_t taken = atomic_load_explicit(&r->read, memory_order_acquire);

	while (n > 0) {
		uint32_t place = written % RING_SIZE, k;

		if (written - taken == RING_SIZE)
			taken = wait_for_change(&r->read, taken, &r->writer_sleeps);
		k = (uint32_t)MIN_OF(n, (size_t)(RING_SIZE - (written - taken)));
		k = MIN_OF(k, RING_SIZE - place);
		memcpy(r->data + place, data, k);
		written += k;
		data += k;
		n -= k;
		advance(&r->written, written, &r->reader_sleeps);
	}
	return 0;
}

static int ring_receive(enum direction d, char *data, size_t n)
{
	struct ring *r = &rings[d];
	uint32_t taken = atomic_load_explicit(&r->read, memory_order_relaxed);
	uint32_t written = atomic_load_explicit(&r->written, memory_order_acquire);

	while (n > 0) {
		uint32_t place = taken % RING_SIZE, k;

		if (written == taken)
			written = wait_for_change(&r->written, written, &r->reader_sleeps);
		k = (uint32_t)MIN_OF(n, (size_t)(written - taken));
		k = MIN_OF(k, RING_SIZE - place);
		memcpy(data, r->data + place, k);
		taken += k;
		data += k;
		n -= k;
		advance(&r->read, taken, &r->writer_sleeps);
	}
	return 0;
}

static int map(int flags, int fd)
{
	void *p = mmap(NULL, DIRECTION_MAX * sizeof(struct ring), PROT_READ | PROT_WRITE,
		MAP_SHARED | flags, fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	rings = p;
	return 0;
}

static int open_memory(void)
{
	return map(MAP_ANONYMOUS, -1);
}

static int open_file(void)
{
	char path[] = "/tmp/bench_ipc.XXXXXX";
	_cleanup_close_
	int fd = mkstemp(path);
	int r;

	if (fd < 0)
		return -errno;
	unlink(path);
	r = posix_fallocate(fd, 0, DIRECTION_MAX * sizeof(struct ring));
	return r == 0 ? map(0, fd) : -r;
}

static void unmap(void)
{
	munmap(rings, DIRECTION_MAX * sizeof(struct ring));
	rings = NULL;
}

static void keep_both(bool is_child _unused_)
{
}

const struct mechanism ring_mechanisms[N_RING_MECHANISMS] = {
	{.name = "shared memory, futex",
		.open = open_memory,
		.split = keep_both,
		.send = ring_send,
		.receive = ring_receive,
		.close = unmap},
	{.name = "memory-mapped file, futex",
		.open = open_file,
		.split = keep_both,
		.send = ring_send,
		.receive = ring_receive,
		.close = unmap},
};
