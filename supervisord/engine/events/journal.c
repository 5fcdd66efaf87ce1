/*
 * The file may be deleted, cut short or damaged by others at any time, and its disk may be full:
 * none of that may stop the engine, and each is told once. Once a second at most, with an event,
 * it is looked whether the file is still the one under its name and has its size.
 *
 * Nobody else may write to it, so it is locked: by a lock that belongs to this process, which
 * neither the children nor the next program in it inherit.
 */
#include "engine/events/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/sys.h"
#include "engine/engine.h"

#define DAMAGED_SUFFIX ".damaged"
#define CHECK_USEC     USEC_PER_SEC
#define RETRY_MIN_USEC USEC_PER_SEC
#define RETRY_MAX_USEC USEC_PER_MINUTE
#define PATH_SIZE      4096
#define MAPPED_MAX     (64 * 1024) /* bytes of events, before their pages are let go */
#define AHEAD	       (64u * 1024)

void journal_file_init(struct journal_file *f)
{
	*f = (struct journal_file){.fd = -1};
}

void journal_file_close(struct journal_file *f)
{
	if (f->ring.memory) {
		mapping_remove(&f->mapping);
		sys_munmap(f->ring.memory, f->ring.size);
	}
	f->ring = (struct journal){0};
	f->fd = close_fd(f->fd);
}

const struct journal *journal_file_ring(const struct engine *e)
{
	return e->journal.ring.memory ? &e->journal.ring : NULL;
}

static int path_of(const struct engine *e, const char *suffix, char ret_path[static PATH_SIZE])
{
	int n = snprintf(
		ret_path, PATH_SIZE, "%s/" JOURNAL_FILE_NAME "%s", e->spec->state_dir, suffix);

	return n < PATH_SIZE ? 0 : -ENAMETOOLONG;
}

/* --- opening --- */

static int open_file(const char *path, struct stat *ret_st)
{
	_cleanup_close_
	int fd = sys_openat(AT_FDCWD, path,
		O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0640);
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int r = fd < 0 ? fd : sys_fstat(fd, ret_st);

	if (r < 0)
		return r;
	if (!S_ISREG(ret_st->st_mode))
		return -EMEDIUMTYPE;
	if (ret_st->st_uid != geteuid())
		return -EPERM;
	r = sys_fcntl(fd, F_SETLK, (long)&lock);
	if (r < 0)
		return r == -EAGAIN || r == -EACCES ? -EBUSY : r;
	/* Whose lock it was may have written to it until now. */
	r = sys_fstat(fd, ret_st);
	return r < 0 ? r : TAKE_FD(fd);
}

static const char *describe(int error)
{
	switch (error) {
	case -EMEDIUMTYPE:
		return "it is no regular file";
	case -ELOOP:
		return "it is a symbolic link";
	case -EPERM:
		return "it belongs to another user";
	case -EBUSY:
		return "another supervisord writes to it";
	default:
		return strerror(-error);
	}
}

/* All of it, so that no store finds a disk full. What was cut off comes back as zeros. */
static int map_file(int fd, size_t *size, void **ret_memory)
{
	bool is_new = *size == 0;
	int r;

	if (*size < JOURNAL_FILE_SIZE || !journal_size_is_valid(*size))
		*size = JOURNAL_FILE_SIZE;
	r = sys_fallocate(fd, (off_t)*size);
	if (r == 0 && is_new)
		sys_write_zeros(fd, 0, AHEAD);
	return r < 0 ? r : sys_mmap(*size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0, ret_memory);
}

static bool is_blank(const uint8_t *memory, size_t size)
{
	return memory[0] == 0 && memcmp(memory, memory + 1, size - 1) == 0;
}

static void make_id(uint8_t ret_id[static 16])
{
	usec_t now = usec_now(CLOCK_REALTIME);

	memset(ret_id, 0, 16);
	if (getrandom(ret_id, 16, GRND_NONBLOCK) < 0)
		memcpy(ret_id, &now, sizeof(now));
}

/* Takes what is in the memory, or makes a journal there if it is blank, as a new file is. */
static int take_memory(
	struct journal *ring, void *memory, size_t size, bool is_new, const char *path)
{
	struct journal_damage damage;
	uint8_t id[16];
	int r;

	make_id(id);
	if (is_new || is_blank(memory, size)) {
		journal_format(ring, memory, size, id, usec_now(CLOCK_REALTIME));
		return 0;
	}
	r = journal_open(ring, memory, size, &damage);
	if (r < 0)
		return r;
	if (damage.head)
		journal_mend(ring, id, usec_now(CLOCK_REALTIME));
	if (damage.head || damage.bytes > 0)
		log_warning("the event journal %s is damaged%s: %zu bytes between events are lost",
			path, damage.head ? " at its start" : "", damage.bytes);
	return 0;
}

/*
 * What was looked at stays mapped, and counts as ours: the whole file once it was opened. The
 * pages are the file's; they are only mapped no more. But for the head: the next look at it would
 * map a dozen pages of those that follow.
 */
void journal_file_let_go(struct journal_file *f)
{
	if (!f->ring.memory || mapping_is_lost(&f->mapping))
		return;
	(void)sys_madvise((char *)f->ring.memory + JOURNAL_HEAD_SIZE,
		f->ring.size - JOURNAL_HEAD_SIZE, MADV_DONTNEED);
	f->n_appended = 0;
}

/* 0; -EBADMSG or -EPROTONOSUPPORT: what is there is of no use; another negative errno. */
static int try_open(struct journal_file *f, const char *path)
{
	_cleanup_close_
	int fd = -1;
	struct stat st;
	struct journal ring;
	void *memory = NULL;
	size_t size;
	int r;

	fd = open_file(path, &st);
	if (fd < 0)
		return fd;
	size = (size_t)st.st_size;
	r = map_file(fd, &size, &memory);
	if (r < 0)
		return r;
	/* Without a place it is only not protected. */
	mapping_add(&f->mapping, memory, size);
	r = take_memory(&ring, memory, size, st.st_size == 0, path);
	if (r < 0) {
		mapping_remove(&f->mapping);
		sys_munmap(memory, size);
		return r;
	}
	f->ring = ring;
	f->zeroed = st.st_size == 0 ? AHEAD : size;
	f->fd = TAKE_FD(fd);
	f->device = st.st_dev;
	f->inode = st.st_ino;
	journal_file_let_go(f);
	return 0;
}

/* Out of the way of a new one; the last one that was is kept. */
static int put_aside(struct engine *e, const char *path, int error)
{
	char aside[PATH_SIZE];
	int r = path_of(e, DAMAGED_SUFFIX, aside);

	if (r == 0)
		r = sys_renameat(AT_FDCWD, path, aside);
	if (r == 0)
		log_warning("%s is %s; it is %s now, and a new one is made", path,
			error == -EPROTONOSUPPORT ? "an event journal of another version"
						  : "no event journal",
			aside);
	return r;
}

void journal_file_open(struct engine *e)
{
	struct journal_file *f = &e->journal;
	char path[PATH_SIZE] = "";
	int r = path_of(e, "", path);

	f->opened++;
	if (r == 0)
		r = try_open(f, path);
	if (r == -EBADMSG || r == -EPROTONOSUPPORT) {
		r = put_aside(e, path, r);
		if (r == 0)
			r = try_open(f, path);
	}
	f->check_usec = usec_add(e->loop.now_usec, CHECK_USEC);
	if (r == 0) {
		e->event_seq = MAX_OF(e->event_seq, f->ring.last_seq);
		if (f->problem[0])
			log_info("events are kept in %s again", path);
		f->problem[0] = '\0';
		f->retry_delay_usec = 0;
		return;
	}
	f->retry_delay_usec = f->retry_delay_usec ? MIN_OF(2 * f->retry_delay_usec, RETRY_MAX_USEC)
						  : RETRY_MIN_USEC;
	f->retry_usec = usec_add(e->loop.now_usec, f->retry_delay_usec);
	if (!f->problem[0])
		log_warning("cannot keep events in %s: %s; going on without, and trying again "
			    "with later ones",
			path, describe(r));
	snprintf(f->problem, sizeof(f->problem), "%s", describe(r));
}

/* --- while it is open --- */

/* Why it is not the one that it was; NULL: it is. */
static const char *changed(const struct journal_file *f, const char *path)
{
	struct stat st;
	int r;

	if (mapping_is_lost(&f->mapping))
		return "was cut short, or can't be read";
	r = sys_fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW);
	if (r == -ENOENT || r == -ENOTDIR)
		return "was removed";
	if (r < 0)
		return NULL; /* no more is known than before */
	if (st.st_dev != f->device || st.st_ino != f->inode)
		return "was replaced";
	return (size_t)st.st_size < f->ring.size ? "was cut short" : NULL;
}

static void check(struct engine *e)
{
	struct journal_file *f = &e->journal;
	char path[PATH_SIZE];
	const char *what;

	f->check_usec = usec_add(e->loop.now_usec, CHECK_USEC);
	if (path_of(e, "", path) < 0)
		return;
	what = changed(f, path);
	if (!what)
		return;
	log_warning("the event journal %s %s; opening it anew", path, what);
	journal_file_close(f);
	journal_file_open(e);
}

void journal_file_tend(struct engine *e)
{
	struct journal_file *f = &e->journal;

	if (f->ring.memory && (e->loop.now_usec >= f->check_usec || mapping_is_lost(&f->mapping)))
		check(e);
	else if (!f->ring.memory && e->loop.now_usec >= f->retry_usec)
		journal_file_open(e);
}

/*
 * A new file gets its pages ahead of what is stored to them. Never the last ones: a file that was
 * cut short meanwhile has to stay shorter, to be found out.
 */
static void write_ahead(struct journal_file *f)
{
	size_t needed = JOURNAL_HEAD_SIZE + f->ring.end + AHEAD / 2;

	if (needed < f->zeroed || f->ring.size - f->zeroed <= AHEAD)
		return;
	sys_write_zeros(f->fd, (off_t)f->zeroed, (off_t)(f->zeroed + AHEAD));
	f->zeroed += AHEAD;
}

void journal_file_append(struct engine *e, uint64_t seq, struct journal_stamp *stamp,
	const char *body, size_t length)
{
	struct journal_file *f = &e->journal;

	if (!f->ring.memory || seq <= f->ring.last_seq)
		return;
	memcpy(stamp->boot_id, e->store.head.boot_id, sizeof(stamp->boot_id));
	write_ahead(f);
	journal_append(&f->ring, seq, stamp, body, length);
	f->n_appended += length;
	if (f->n_appended >= MAPPED_MAX)
		journal_file_let_go(f);
	/* It was while we wrote: what is left of the file, and this event, are worth another go. */
	if (!mapping_is_lost(&f->mapping))
		return;
	check(e);
	if (f->ring.memory && seq > f->ring.last_seq)
		journal_append(&f->ring, seq, stamp, body, length);
}
