/*
 * Never read back: what is in the file is compared with what is to be written, and nothing else
 * comes of it. Never cut or replaced while it is of use: the next engine takes the same file,
 * so readers that wait notice nothing; another file takes its place (complete, by a rename) only
 * where this one can't be used, or where fewer people may read it from now on.
 *
 * Each change is written before anybody is told of it, so that who was told finds it here.
 */
#include "engine/status/board.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/sys.h"
#include "engine/control/control.h"
#include "engine/engine.h"
#include "engine/service.h"
#include "engine/services.h"

static char *path_of(const struct engine *e, const char *suffix)
{
	char *path;

	return asprintf(&path, "%s/" SUPERVISORD_BOARD_NAME "%s", e->spec->runtime_dir, suffix) < 0
		       ? NULL
		       : path;
}

void board_init(struct engine *e)
{
	e->board = (struct board){.fd = -1};
}

/* --- writing --- */

static void note_written(struct board *b, uint32_t id, unsigned changes)
{
	struct supervisord_board_view view;

	if (changes == 0 || supervisord_board_look(b->area.head, b->area.size, &view) < 0)
		return;
	board_area_stamp(&b->area, usec_now(CLOCK_MONOTONIC), usec_now(CLOCK_REALTIME));
	if (changes & BOARD_AREA_TRANSITION)
		sys_futex_wake(&supervisord_board_at(&view, id)->transitions);
	b->changed = true;
}

void board_flush(struct engine *e)
{
	struct board *b = &e->board;

	if (b->changed && b->area.head)
		sys_futex_wake(&b->area.head->changes);
	b->changed = false;
}

/* Everybody who waits for anything. */
static void wake_all(struct board *b)
{
	struct supervisord_board_view view;

	if (supervisord_board_look(b->area.head, b->area.size, &view) < 0)
		return;
	for (uint32_t i = 0; i < supervisord_board_slots(&view); i++)
		sys_futex_wake(&supervisord_board_at(&view, i)->transitions);
	sys_futex_wake(&b->area.head->changes);
}

static void drop(struct board *b)
{
	mapping_remove(&b->mapping);
	if (b->area.head)
		sys_munmap(b->area.head, b->area.size);
	b->area = (struct board_area){0};
	b->fd = close_fd(b->fd);
}

static void retire(struct board *b, uint32_t flag)
{
	if (b->area.head && board_area_flag(&b->area, flag, 0))
		wake_all(b);
	drop(b);
}

/* --- files --- */

static int lock(int fd)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	return sys_fcntl(fd, F_OFD_SETLK, (long)&whole);
}

/* This is our board from now on. */
static void take_over(struct board *b, int fd, const struct board_area *area)
{
	struct proc_stat stat;

	b->fd = fd;
	b->area = *area;
	/* Only without protection where there is no place in that table. */
	mapping_add(&b->mapping, area->head, area->size);
	area->head->launcher_pid = getppid();
	area->head->engine_pid = getpid();
	area->head->engine_start = proc_stat_get(getpid(), &stat) == 0 ? stat.start_ticks : 0;
	area->head->engines++;
	b->changed = true; /* the last one may not have come to tell */
}

/* -ESTALE: it is readable for others than it should be. */
static int take_from(struct board *b, int fd)
{
	struct board_area area;
	uint8_t boot_id[16];
	struct stat st;
	void *memory;
	int r = store_get_boot_id(boot_id);

	if (r == 0)
		r = sys_fstat(fd, &st);
	if (r < 0)
		return r;
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_size < BOARD_AREA_HEAD_SIZE)
		return -EBADMSG;
	if ((st.st_mode & 07777) != b->mode || st.st_gid != b->group)
		return -ESTALE;
	r = lock(fd); /* some reader may hold one to annoy us: then another file will do */
	if (r == 0)
		r = sys_mmap(
			(size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0, &memory);
	if (r < 0)
		return r;
	r = board_area_take(&area, memory, (size_t)st.st_size, boot_id);
	if (r < 0) {
		sys_munmap(memory, (size_t)st.st_size);
		return r;
	}
	take_over(b, fd, &area);
	return 0;
}

/* The board that an engine before us has left. */
static int take(struct engine *e)
{
	_cleanup_free_
	char *path = path_of(e, "");
	_cleanup_close_
	int fd = -1;
	int r;

	if (!path)
		return -ENOMEM;
	fd = sys_openat(AT_FDCWD, path, O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd < 0)
		return fd;
	r = take_from(&e->board, fd);
	if (r == 0)
		TAKE_FD(fd);
	return r;
}

/* Tells readers of a board that is there, and can't be taken, that it is one no more. */
static void retire_other(struct engine *e)
{
	_cleanup_free_
	char *path = path_of(e, "");
	_cleanup_close_
	int fd = path ? sys_openat(AT_FDCWD, path, O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0) : -1;
	struct board old = {.fd = -1};
	struct supervisord_board_view view;
	struct stat st;
	void *memory;

	if (fd < 0 || sys_fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
		st.st_size < BOARD_AREA_HEAD_SIZE ||
		sys_mmap((size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0, &memory) <
			0)
		return;
	old.area = (struct board_area){memory, (size_t)st.st_size};
	mapping_add(&old.mapping, memory, old.area.size);
	if (supervisord_board_look(memory, old.area.size, &view) == 0)
		retire(&old, SUPERVISORD_BOARD_RETIRED);
	else
		drop(&old);
}

/* Who may read it is settled before it has content or the name. */
static int make_file(const struct board *b, const char *path, size_t size)
{
	_cleanup_close_
	int fd = -1;
	struct stat st;
	int r = sys_unlinkat(AT_FDCWD, path, 0);

	if (r < 0 && r != -ENOENT)
		return r;
	fd = sys_openat(AT_FDCWD, path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fd;
	r = lock(fd);
	if (r == 0)
		r = sys_fallocate_mapped(fd, 0, (off_t)size);
	if (r == 0)
		r = sys_fstat(fd, &st);
	if (r == 0 && st.st_gid != b->group)
		r = sys_fchownat(AT_FDCWD, path, (uid_t)-1, b->group);
	if (r == 0 && b->mode != 0600)
		r = sys_fchmodat(AT_FDCWD, path, b->mode);
	return r < 0 ? r : TAKE_FD(fd);
}

static void write_all(struct engine *e, struct board_area *area)
{
	for (uint32_t i = 0; i < e->n_services; i++) {
		struct supervisord_board_slot content;

		board_describe(e->services[i], &content);
		board_area_put(area, e->services[i]->id, &content);
	}
	board_area_stamp(area, usec_now(CLOCK_MONOTONIC), usec_now(CLOCK_REALTIME));
}

/* A whole new board, which takes the place of the one that is there when it is complete. */
static int make_at(struct engine *e, const char *path, const char *temporary)
{
	struct board *b = &e->board;
	_cleanup_close_
	int fd = -1;
	size_t size = board_area_size(e->n_ids);
	struct board_area area;
	uint8_t boot_id[16];
	void *memory;
	int r = store_get_boot_id(boot_id);

	if (r < 0)
		return r;
	fd = make_file(b, temporary, size);
	if (fd < 0)
		return fd;
	r = sys_mmap(size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0, &memory);
	if (r < 0)
		return r;
	board_area_format(&area, memory, e->n_ids, boot_id);
	write_all(e, &area);
	if (!b->area.head)
		retire_other(e);
	r = sys_renameat(AT_FDCWD, temporary, path);
	if (r < 0) {
		sys_munmap(memory, size);
		return r;
	}
	retire(b, SUPERVISORD_BOARD_RETIRED);
	take_over(b, TAKE_FD(fd), &area);
	return 0;
}

static void make(struct engine *e)
{
	_cleanup_free_
	char *path = path_of(e, "");
	_cleanup_free_
	char *temporary = path_of(e, ".new");
	int r = path && temporary ? make_at(e, path, temporary) : -ENOMEM;

	if (r < 0 && temporary)
		sys_unlinkat(AT_FDCWD, temporary, 0);
	if (r < 0 && e->board.area.head) {
		/* What can't be kept up to date must not be taken for the truth. */
		if (path)
			sys_unlinkat(AT_FDCWD, path, 0);
		retire(&e->board, SUPERVISORD_BOARD_RETIRED);
	}
	if (r < 0 && !e->board.troubled)
		log_warning("cannot make the status board in %s: %s; whoever wants to know has to "
			    "ask the engine",
			e->spec->runtime_dir, strerror(-r));
	if (r == 0 && e->board.troubled)
		log_info("there is a status board again");
	e->board.troubled = r < 0;
}

static void mend_if_lost(struct engine *e)
{
	if (!e->board.area.head || !mapping_is_lost(&e->board.mapping))
		return;
	log_warning("the status board in %s was cut short by somebody; making another one",
		e->spec->runtime_dir);
	make(e);
}

/* --- room --- */

/* -EIO: somebody has cut it. Moved or not, the mapping is another one afterwards. */
static int grow(struct board *b, uint32_t capacity)
{
	size_t size = board_area_size(capacity);
	struct stat st;
	void *memory;
	int r = sys_fstat(b->fd, &st);

	if (r == 0 && (size_t)st.st_size < b->area.size)
		return -EIO;
	if (r == 0)
		r = sys_fallocate_mapped(b->fd, (off_t)b->area.size, (off_t)size);
	if (r < 0)
		return r;
	mapping_remove(&b->mapping);
	if (b->mapping.lost)
		return -EIO;
	r = sys_mremap(b->area.head, b->area.size, size, &memory);
	if (r == 0)
		board_area_grow(&b->area, memory, capacity);
	mapping_add(&b->mapping, b->area.head, b->area.size);
	return r;
}

static bool has_room(struct engine *e, uint32_t id)
{
	struct board *b = &e->board;
	int r;

	if (id < b->area.head->capacity)
		return true;
	r = grow(b, e->n_ids);
	if (r == -EIO) {
		make(e);
		return b->area.head && id < b->area.head->capacity;
	}
	if (r < 0 && board_area_flag(&b->area, SUPERVISORD_BOARD_INCOMPLETE, 0)) {
		log_warning("no room for all services on the status board in %s: %s; whoever wants "
			    "to know has to ask the engine",
			e->spec->runtime_dir, strerror(-r));
		wake_all(b);
	}
	return r == 0;
}

/* --- what others call --- */

void board_tell(const struct service *s)
{
	struct engine *e = s->engine;
	struct supervisord_board_slot content;

	if (!e->board.area.head || services_by_id(e, s->id) != s || !has_room(e, s->id))
		return;
	board_describe(s, &content);
	note_written(&e->board, s->id, board_area_put(&e->board.area, s->id, &content));
	mend_if_lost(e);
}

void board_tell_dependents(const struct service *s)
{
	struct engine *e = s->engine;

	for (int up = 0; up <= 1; up++) {
		struct core_link link;

		for (uint32_t i = 0; core_link(e->core, s->id, up, i, &link); i++) {
			const struct service *other = services_by_id(e, up ? link.from : link.to);

			if (other && core_record(e->core, other->id)->blocker == s->id)
				board_tell(other);
		}
	}
}

void board_forget(struct engine *e, uint32_t id)
{
	if (!e->board.area.head || id >= e->board.area.head->capacity)
		return;
	note_written(&e->board, id, board_area_clear(&e->board.area, id));
	mend_if_lost(e);
}

void board_tell_all(struct engine *e)
{
	struct board *b = &e->board;
	mode_t mode = b->mode;
	gid_t group = b->group;

	control_readers(e, &b->mode, &b->group);
	for (uint32_t i = 0; i < e->n_services; i++)
		e->services[i]->board_place = i;
	if (!b->area.head || mode != b->mode || group != b->group) {
		make(e); /* who had it open may be one of those who may not any more */
		return;
	}
	for (uint32_t i = 0; i < e->n_services; i++)
		board_tell(e->services[i]);
	if (b->area.head && e->n_ids <= b->area.head->capacity)
		board_area_flag(&b->area, 0, SUPERVISORD_BOARD_INCOMPLETE);
}

void board_check(struct engine *e)
{
	struct board *b = &e->board;
	_cleanup_free_
	char *path = path_of(e, "");
	struct stat ours, named;

	if (b->area.head && path && sys_fstat(b->fd, &ours) == 0 &&
		sys_fstatat(AT_FDCWD, path, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
		ours.st_ino == named.st_ino && ours.st_dev == named.st_dev &&
		(size_t)ours.st_size >= b->area.size && !mapping_is_lost(&b->mapping))
		return;
	if (b->area.head)
		log_warning("the status board in %s was removed or cut short by somebody; making "
			    "another one",
			e->spec->runtime_dir);
	make(e);
}

void board_open(struct engine *e)
{
	struct board *b = &e->board;
	int r = mapping_init();

	if (r < 0)
		log_warning("cannot handle SIGBUS: %s", strerror(-r));
	control_readers(e, &b->mode, &b->group);
	r = take(e);
	if (r < 0 && r != -ENOENT)
		log_debug("the status board that is there can't be used: %s", strerror(-r));
	if (r < 0) {
		board_tell_all(e); /* makes one */
		return;
	}
	for (uint32_t id = 0; id < b->area.head->capacity; id++) {
		if (!services_by_id(e, id))
			board_forget(e, id);
	}
	board_tell_all(e);
}

void board_close(struct engine *e)
{
	_cleanup_free_
	char *path = path_of(e, "");

	if (path && e->board.area.head)
		sys_unlinkat(AT_FDCWD, path, 0);
	retire(&e->board, SUPERVISORD_BOARD_ENDED);
}
