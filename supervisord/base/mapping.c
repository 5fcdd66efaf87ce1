/*
 * The handler runs in the middle of a load or store of the same thread, so that all it may
 * look at is written in an order in which each moment is sane: a place of the table is filled
 * by one store, and only with what is complete. Of the calls in it, mmap() and sigaction() are
 * system calls and no more.
 *
 * Only the page that was touched is replaced: what the file still has stays shared with it,
 * and another page that is gone comes here on its own.
 */
#include "base/mapping.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct mapping *volatile table[MAPPING_MAX];
static size_t page_size;

static struct mapping *find(const char *address)
{
	for (size_t i = 0; i < MAPPING_MAX; i++) {
		struct mapping *m = table[i];

		if (m && (uintptr_t)address - (uintptr_t)m->address < m->size)
			return m;
	}
	return NULL;
}

static void on_fault(int signo, siginfo_t *info, void *context)
{
	int saved_errno = errno;
	char *page = (char *)((uintptr_t)info->si_addr & ~(page_size - 1));
	/* A signal that somebody sent has no address. */
	struct mapping *m = info->si_code > 0 ? find(info->si_addr) : NULL;

	(void)context;
	if (m && mmap(page, page_size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED) {
		m->lost = true;
	} else {
		const struct sigaction standard = {.sa_handler = SIG_DFL};

		sigaction(signo, &standard, NULL);
		/* A fault comes again by itself, a signal that was sent does not. */
		if (info->si_code <= 0)
			raise(signo);
	}
	errno = saved_errno;
}

int mapping_init(void)
{
	struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
	sigset_t set;

	page_size = (size_t)sysconf(_SC_PAGESIZE);
	sigemptyset(&set);
	sigaddset(&set, SIGBUS);
	/* Blocked, as somebody may have left it to us, a fault kills whatever the handler. */
	if (sigaction(SIGBUS, &action, NULL) < 0 || sigprocmask(SIG_UNBLOCK, &set, NULL) < 0)
		return -errno;
	return 0;
}

int mapping_add(struct mapping *m, void *address, size_t size)
{
	mapping_remove(m);
	m->address = address;
	m->size = size;
	m->lost = false;
	atomic_signal_fence(memory_order_seq_cst);
	for (size_t i = 0; i < MAPPING_MAX; i++) {
		if (!table[i]) {
			table[i] = m;
			return 0;
		}
	}
	return -ENOSPC;
}

void mapping_remove(struct mapping *m)
{
	for (size_t i = 0; i < MAPPING_MAX; i++) {
		if (table[i] == m)
			table[i] = NULL;
	}
	atomic_signal_fence(memory_order_seq_cst);
}
