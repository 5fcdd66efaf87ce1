/*
 * Nothing here is ever undone or repaired: a writer that dies between two stores leaves a slot that
 * says less than it could, and nothing that is wrong.
 */
#include "wire/notebook.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/sys.h"

#define SIZE	     (NOTEBOOK_HEAD_SIZE + NOTEBOOK_SLOTS * sizeof(struct notebook_slot))
#define LET_GO_SLOTS 64 /* that were touched since then */
#define SIZE_SEALS   (F_SEAL_GROW | F_SEAL_SHRINK)

_Static_assert(sizeof(struct notebook_head) <= NOTEBOOK_HEAD_SIZE, "the head has its room");

static int map(struct notebook *ret, int fd, int protection)
{
	void *address;
	int r = sys_mmap(SIZE, protection, MAP_SHARED, fd, 0, &address);

	if (r < 0)
		return r;
	*ret = (struct notebook){.head = address,
		.slots = (struct notebook_slot *)(void *)((char *)address + NOTEBOOK_HEAD_SIZE)};
	return 0;
}

int notebook_create(struct notebook *ret, int *ret_fd)
{
	_cleanup_close_
	int fd = sys_memfd_create("notebook", MFD_ALLOW_SEALING);
	int r;

	if (fd < 0)
		return fd;
	r = sys_ftruncate(fd, SIZE);
	if (r == 0)
		r = map(ret, fd, PROT_READ | PROT_WRITE);
	if (r < 0)
		return r;
	/* That ours goes on to be written is what makes it of use: nobody else may from here on. */
	r = sys_fcntl(fd, F_ADD_SEALS, SIZE_SEALS | F_SEAL_FUTURE_WRITE);
	if (r == -EINVAL) /* before Linux 5.1 */
		r = sys_fcntl(fd, F_ADD_SEALS, SIZE_SEALS);
	if (r < 0) {
		notebook_close(ret);
		return r;
	}
	ret->head->version = NOTEBOOK_VERSION;
	ret->head->n_slots = NOTEBOOK_SLOTS;
	ret->head->magic = NOTEBOOK_MAGIC;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int notebook_open(struct notebook *ret, int fd)
{
	struct stat st;
	int r = sys_fcntl(fd, F_GET_SEALS, 0);

	if (r < 0 || (r & SIZE_SEALS) != SIZE_SEALS)
		return r < 0 ? r : -EBADMSG;
	r = sys_fstat(fd, &st);
	if (r < 0)
		return r;
	if (st.st_size < NOTEBOOK_HEAD_SIZE)
		return -EBADMSG;
	if ((size_t)st.st_size != SIZE)
		return -EPROTONOSUPPORT;
	r = map(ret, fd, PROT_READ);
	if (r < 0)
		return r;
	r = ret->head->magic != NOTEBOOK_MAGIC || ret->head->n_used > NOTEBOOK_SLOTS ? -EBADMSG
	    : ret->head->version != NOTEBOOK_VERSION || ret->head->n_slots != NOTEBOOK_SLOTS
		    ? -EPROTONOSUPPORT
		    : 0;
	if (r < 0)
		notebook_close(ret);
	return r;
}

void notebook_close(struct notebook *n)
{
	if (n->head)
		sys_munmap(n->head, SIZE);
	*n = (struct notebook){0};
}

/* ---- writing ---- */

static void set_state(struct notebook_slot *slot, enum notebook_state state)
{
	__atomic_store_n(&slot->state, (uint32_t)state, __ATOMIC_RELEASE);
}

/*
 * It is written once or twice and read by others: what was touched needn't stay mapped. It is in
 * the file, so nothing is lost with that, whoever dies.
 */
static void let_go(struct notebook *n)
{
	if (++n->touched < LET_GO_SLOTS)
		return;
	n->touched = 0;
	/* The head stays: to read it would map a dozen pages around it that are there. */
	(void)sys_madvise(n->slots, SIZE - NOTEBOOK_HEAD_SIZE, MADV_DONTNEED);
}

struct notebook_slot *notebook_begin(struct notebook *n, uint32_t id, uint64_t generation)
{
	struct notebook_slot *slot;
	uint32_t i;

	if (!n->head)
		return NULL;
	if (n->free > 0) {
		i = n->free - 1;
		n->free = n->slots[i].next_free;
	} else if (n->head->n_used < NOTEBOOK_SLOTS) {
		i = n->head->n_used;
		__atomic_store_n(&n->head->n_used, i + 1, __ATOMIC_RELEASE);
	} else {
		n->head->n_without++;
		return NULL;
	}
	let_go(n);
	slot = &n->slots[i];
	*slot = (struct notebook_slot){.id = id, .generation = generation};
	set_state(slot, NOTEBOOK_BEGUN);
	return slot;
}

void notebook_set_pid(struct notebook_slot *slot, pid_t pid, const struct link_started *start)
{
	if (!slot)
		return;
	set_state(slot, NOTEBOOK_BEGUN);
	/* Never one's pid with the other's inode. */
	if (slot->pid != pid)
		slot->start.pidfd_inode = 0;
	__atomic_store_n(&slot->pid, pid, __ATOMIC_RELEASE);
	slot->start = *start;
}

void notebook_end(struct notebook *n, struct notebook_slot *slot, const struct link_exit *end,
	uint64_t serial)
{
	if (n->head)
		n->head->last_serial = serial;
	if (!slot)
		return;
	slot->exit = *end;
	slot->serial = serial;
	set_state(slot, NOTEBOOK_ENDED);
}

void notebook_drop(struct notebook *n, struct notebook_slot *slot)
{
	if (!n->head)
		return;
	if (!slot) {
		n->head->n_without--;
		return;
	}
	set_state(slot, NOTEBOOK_FREE);
	slot->next_free = n->free;
	n->free = (uint32_t)(slot - n->slots) + 1;
}

/* ---- reading ---- */

bool notebook_get_end(const struct notebook_slot *slot, struct link_exit *ret)
{
	if (slot->state != NOTEBOOK_ENDED || slot->serial == 0 ||
		!link_exit_is_valid(&slot->exit, slot->exit.error != 0 ? 0 : slot->pid))
		return false;
	*ret = slot->exit;
	return true;
}
