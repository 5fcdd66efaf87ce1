/*
 * Flat, it is the head, then all services, then all entries, each as large as the head says.
 * Coding is copying; what this file adds is distrust, and the passing on of descriptors.
 *
 * Both are sorted by what they are found by, so that nothing can be in it twice.
 */
#include "wire/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/parse.h"
#include "base/sys.h"

/* Sizes in version 1 as first written: what any writer has. */
#define MIN_HEAD    704
#define MIN_SERVICE 272
#define MIN_ENTRY   160

#define SEALS	  (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define ENTRY_FDS (HANDOVER_PIPES + 3)

_Static_assert(sizeof(struct handover_head) >= MIN_HEAD, "records only grow");
_Static_assert(sizeof(struct handover_service) >= MIN_SERVICE, "records only grow");
_Static_assert(sizeof(struct handover_entry) >= MIN_ENTRY, "records only grow");
_Static_assert((int)HANDOVER_TAGS >= (int)LINK_KEEP_MAX, "all that is kept has its room");

int handover_alloc(struct handover *ret, uint32_t n_services, uint32_t n_entries)
{
	struct handover h = HANDOVER_INIT;

	if (n_services > HANDOVER_MAX_RECORDS || n_entries > HANDOVER_MAX_RECORDS)
		return -E2BIG;
	h.head.n_services = n_services;
	h.head.n_entries = n_entries;
	h.services = calloc((size_t)n_services + 1, sizeof(*h.services));
	h.entries = calloc((size_t)n_entries + 1, sizeof(*h.entries));
	if (!h.services || !h.entries) {
		handover_fini(&h);
		return -ENOMEM;
	}
	*ret = h;
	return 0;
}

void handover_fini(struct handover *h)
{
	free(h->services);
	free(h->entries);
	*h = HANDOVER_INIT;
}

/* ---- coding ---- */

static int compare_services(const void *a, const void *b)
{
	const struct handover_service *s = a, *t = b;

	return (s->id > t->id) - (s->id < t->id);
}

static int compare_entries(const void *a, const void *b)
{
	const struct handover_entry *e = a, *f = b;

	if (e->id != f->id)
		return e->id > f->id ? 1 : -1;
	return (e->generation > f->generation) - (e->generation < f->generation);
}

int handover_encode(struct handover *h, void **ret_data, size_t *ret_size)
{
	size_t services = h->head.n_services * sizeof(*h->services);
	size_t entries = h->head.n_entries * sizeof(*h->entries);
	size_t size = sizeof(h->head) + services + entries;
	char *data = malloc(size);

	if (!data)
		return -ENOMEM;
	h->head.magic = HANDOVER_MAGIC;
	h->head.version = HANDOVER_VERSION;
	h->head.head_size = sizeof(h->head);
	h->head.service_size = sizeof(*h->services);
	h->head.entry_size = sizeof(*h->entries);
	qsort(h->services, h->head.n_services, sizeof(*h->services), compare_services);
	qsort(h->entries, h->head.n_entries, sizeof(*h->entries), compare_entries);
	memcpy(data, &h->head, sizeof(h->head));
	memcpy(data + sizeof(h->head), h->services, services);
	memcpy(data + sizeof(h->head) + services, h->entries, entries);
	*ret_data = data;
	*ret_size = size;
	return 0;
}

static int take_head(const void *data, size_t size, struct handover_head *ret)
{
	struct handover_head h = {0};
	uint64_t expected;

	if (size < MIN_HEAD)
		return -EBADMSG;
	memcpy(&h, data, MIN_HEAD);
	if (h.magic != HANDOVER_MAGIC)
		return -EBADMSG;
	if (h.version != HANDOVER_VERSION)
		return -EPROTONOSUPPORT;
	if (h.head_size < MIN_HEAD || h.head_size > 2 * HANDOVER_MAX_RECORD ||
		h.service_size < MIN_SERVICE || h.service_size > HANDOVER_MAX_RECORD ||
		h.entry_size < MIN_ENTRY || h.entry_size > HANDOVER_MAX_RECORD ||
		h.n_services > HANDOVER_MAX_RECORDS || h.n_entries > HANDOVER_MAX_RECORDS)
		return -EBADMSG;
	expected = h.head_size + (uint64_t)h.n_services * h.service_size +
		   (uint64_t)h.n_entries * h.entry_size;
	if (size != expected)
		return -EBADMSG;
	memcpy(&h, data, MIN_OF((size_t)h.head_size, sizeof(h)));
	*ret = h;
	return 0;
}

static void take_records(const char *from, uint32_t n, size_t size, void *to, size_t own)
{
	for (uint32_t i = 0; i < n; i++)
		memcpy((char *)to + i * own, from + i * size, MIN_OF(size, own));
}

static bool fd_is_valid(int32_t fd)
{
	return fd == 0 || fd > STDERR_FILENO;
}

static int check_fd(int32_t *fd, void *context _unused_)
{
	return fd_is_valid(*fd) ? 0 : -EBADMSG;
}

static bool services_are_valid(const struct handover *h)
{
	for (uint32_t i = 0; i < h->head.n_services; i++) {
		const struct handover_service *s = &h->services[i];

		if ((i > 0 && s->id <= s[-1].id) || !memchr(s->cgroup, '\0', sizeof(s->cgroup)))
			return false;
	}
	return true;
}

/* What is in flight, alive, or has ended: each has its own fields. */
static bool entry_is_consistent(const struct handover_entry *e)
{
	bool ended = e->flags & HANDOVER_ENDED, started = e->flags & HANDOVER_STARTED;
	bool fostered = e->flags & HANDOVER_FOSTERED;

	if ((e->successor > 0) != (e->successor_fd > 0) || e->successor < 0)
		return false;
	if (ended)
		return e->pid == 0 && e->serial > 0 && !fostered && e->error_fd == 0 &&
		       link_exit_is_valid(&e->exit, e->exit.error != 0 ? 0 : e->told_pid);
	return e->pid > 0 && e->told_pid == e->pid && e->serial == 0 &&
	       !(e->flags & HANDOVER_ACKED) && fostered == (e->pidfd > 0) &&
	       started == (e->error_fd == 0) && !(fostered && !started);
}

static bool entries_are_valid(const struct handover *h)
{
	const struct handover_service *s = h->services, *end = s + h->head.n_services;

	for (uint32_t i = 0; i < h->head.n_entries; i++) {
		const struct handover_entry *e = &h->entries[i];

		if (i > 0 && compare_entries(e - 1, e) >= 0)
			return false;
		while (s < end && s->id < e->id)
			s++;
		if (s == end || s->id != e->id || e->generation == 0 || e->generation > s->newest ||
			e->serial > h->head.last_serial || !entry_is_consistent(e) ||
			(e->start.flags & ~(uint32_t)LINK_STARTED_FLAGS_ALL) ||
			e->spawn_stage < 0 || e->spawn_stage >= LINK_STAGE_MAX)
			return false;
	}
	return true;
}

size_t handover_max_fds(const struct handover *h)
{
	return HANDOVER_TAGS + h->head.n_services + (size_t)h->head.n_entries * ENTRY_FDS;
}

struct numbers {
	uint64_t *all;
	size_t n;
};

static int compare_numbers(const void *a, const void *b)
{
	const uint64_t *i = a, *j = b;

	return (*i > *j) - (*i < *j);
}

/* Starts anew. */
static bool all_differ(struct numbers *v)
{
	bool differ = true;

	qsort(v->all, v->n, sizeof(*v->all), compare_numbers);
	for (size_t i = 1; i < v->n; i++)
		differ = differ && v->all[i] != v->all[i - 1];
	v->n = 0;
	return differ;
}

static void add_number(struct numbers *v, uint64_t number)
{
	if (number != 0)
		v->all[v->n++] = number;
}

static int add_fd(int32_t *fd, void *numbers)
{
	add_number(numbers, (uint64_t)*fd);
	return 0;
}

/* No descriptor, no living process and no serial is in it twice. */
static int check_unique(struct handover *h)
{
	struct numbers v = {.all = calloc(handover_max_fds(h), sizeof(*v.all))};
	bool differ;

	if (!v.all)
		return -ENOMEM;
	handover_each_fd(h, add_fd, &v);
	differ = all_differ(&v);
	for (uint32_t i = 0; i < h->head.n_entries; i++)
		add_number(&v, (uint64_t)h->entries[i].pid);
	differ = all_differ(&v) && differ;
	for (uint32_t i = 0; i < h->head.n_entries; i++)
		add_number(&v, h->entries[i].serial);
	differ = all_differ(&v) && differ;
	free(v.all);
	return differ ? 0 : -EBADMSG;
}

static int check(struct handover *h)
{
	if (handover_each_fd(h, check_fd, NULL) != 0 || !services_are_valid(h) ||
		!entries_are_valid(h) || h->head.upgrade_error < 0)
		return -EBADMSG;
	return check_unique(h);
}

int handover_decode(const void *data, size_t size, struct handover *ret)
{
	_cleanup_(handover_fini) struct handover h = HANDOVER_INIT;
	struct handover_head head;
	const char *at = data;
	int r;

	r = take_head(data, size, &head);
	if (r == 0)
		r = handover_alloc(&h, head.n_services, head.n_entries);
	if (r < 0)
		return r;
	h.head = head;
	at += head.head_size;
	take_records(at, head.n_services, head.service_size, h.services, sizeof(*h.services));
	at += (size_t)head.n_services * head.service_size;
	take_records(at, head.n_entries, head.entry_size, h.entries, sizeof(*h.entries));
	r = check(&h);
	if (r < 0)
		return r;
	*ret = h;
	h = HANDOVER_INIT;
	return 0;
}

int handover_each_fd(struct handover *h, int (*f)(int32_t *fd, void *context), void *context)
{
	int r = 0;

	for (unsigned i = 0; i < HANDOVER_TAGS && r == 0; i++)
		if (h->head.kept[i] != 0)
			r = f(&h->head.kept[i], context);
	for (uint32_t i = 0; i < h->head.n_services && r == 0; i++)
		if (h->services[i].input != 0)
			r = f(&h->services[i].input, context);
	for (uint32_t i = 0; i < h->head.n_entries; i++) {
		struct handover_entry *e = &h->entries[i];
		int32_t *fds[ENTRY_FDS] = {&e->pidfd, &e->successor_fd, &e->error_fd};

		for (unsigned p = 0; p < HANDOVER_PIPES; p++)
			fds[ENTRY_FDS - HANDOVER_PIPES + p] = &e->pipes[p];
		for (unsigned k = 0; k < ENTRY_FDS && r == 0; k++)
			if (*fds[k] != 0)
				r = f(fds[k], context);
	}
	return r;
}

/* ---- passing on ---- */

static int set_flags(int32_t *fd, void *flags)
{
	return sys_fcntl(*fd, F_SETFD, *(int *)flags);
}

static int set_flags_of_all(struct handover *h, int memfd, int flags)
{
	int r = sys_fcntl(memfd, F_SETFD, flags);

	return r < 0 ? r : handover_each_fd(h, set_flags, &flags);
}

static int write_all(int fd, const char *data, size_t n)
{
	while (n > 0) {
		ssize_t r = sys_write(fd, data, n);

		if (r <= 0)
			return r < 0 ? (int)r : -EIO;
		data += r;
		n -= (size_t)r;
	}
	return 0;
}

/* A sealed memfd of it. */
static int make_memfd(struct handover *h)
{
	_cleanup_close_
	int fd = -1;
	_cleanup_free_
	void *data = NULL;
	size_t size;
	int r;

	r = handover_encode(h, &data, &size);
	if (r < 0)
		return r;
	fd = sys_memfd_create("handover", MFD_ALLOW_SEALING);
	if (fd < 0)
		return fd;
	r = write_all(fd, data, size);
	if (r == 0)
		r = sys_fcntl(fd, F_ADD_SEALS, SEALS);
	return r < 0 ? r : TAKE_FD(fd);
}

int handover_exec(struct handover *h, const char *variable, int image, char *const *argv)
{
	_cleanup_close_
	int fd = make_memfd(h);
	char number[16];
	int r;

	if (fd < 0)
		return fd;
	snprintf(number, sizeof(number), "%d", fd);
	r = setenv(variable, number, 1) < 0 ? -errno : 0;
	if (r == 0)
		r = set_flags_of_all(h, fd, 0);
	if (r == 0)
		r = sys_execveat(image, argv, environ);
	unsetenv(variable);
	set_flags_of_all(h, fd, FD_CLOEXEC);
	return r;
}

/* Only what can't change any more is read, and this process was given nothing else. */
static int read_memfd(int fd, struct handover *ret)
{
	struct stat st;
	void *data;
	int r;

	r = sys_fcntl(fd, F_GET_SEALS, 0);
	if (r < 0 || (r & SEALS) != SEALS)
		return r < 0 ? r : -EBADMSG;
	r = sys_fstat(fd, &st);
	if (r < 0)
		return r;
	if (st.st_size <= 0)
		return -EBADMSG;
	r = sys_mmap((size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0, &data);
	if (r < 0)
		return r;
	r = handover_decode(data, (size_t)st.st_size, ret);
	sys_munmap(data, (size_t)st.st_size);
	return r;
}

static int compare_fd(int32_t *fd, void *memfd)
{
	return *fd == *(int *)memfd ? -EBADMSG : 0;
}

int handover_find(const char *variable, struct handover *ret)
{
	const char *text = getenv(variable);
	struct handover h = HANDOVER_INIT;
	uint64_t number = 0;
	int fd, r;

	if (!text)
		return -ENOENT;
	r = parse_u64(text, INT_MAX, &number);
	unsetenv(variable);
	fd = (int)number;
	if (r < 0 || fd <= STDERR_FILENO)
		return -EBADF;
	r = read_memfd(fd, &h);
	if (r == 0)
		r = handover_each_fd(&h, compare_fd, &fd); /* it is closed below */
	if (r == 0)
		r = set_flags_of_all(&h, fd, FD_CLOEXEC);
	/* Whatever was named wrongly may be something that somebody needs. */
	if (r < 0) {
		handover_fini(&h);
		return r;
	}
	close(fd);
	*ret = h;
	return 0;
}
