/*
 * The lock's file may be removed at the end, so whoever gets the lock checks that the file
 * is still the one of that name; otherwise a newcomer could hold a lock nobody else sees.
 * The area is allocated before it is mapped: a full file system is an error here, and no
 * SIGBUS later.
 */
#include "engine/kept/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "base/sys.h"

#define LOCK_NAME     "lock"
#define RECOVERY_NAME "recovery"
#define NEW_NAME      "recovery.new"

int store_get_boot_id(uint8_t ret_id[16])
{
	char text[64];
	_cleanup_close_
	int fd = sys_openat(AT_FDCWD, "/proc/sys/kernel/random/boot_id", O_RDONLY, 0);
	ssize_t n;
	unsigned digits = 0;

	memset(ret_id, 0, 16);
	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return fd;
	n = sys_read(fd, text, sizeof(text));
	if (n < 0)
		return (int)n;
	for (ssize_t i = 0; i < n && digits < 32; i++) {
		char c = text[i];
		unsigned v;

		if (c >= '0' && c <= '9')
			v = (unsigned)(c - '0');
		else if (c >= 'a' && c <= 'f')
			v = (unsigned)(c - 'a') + 10;
		else
			continue;
		ret_id[digits / 2] = (uint8_t)(ret_id[digits / 2] << 4 | v);
		digits++;
	}
	return digits == 32 ? 0 : -EIO;
}

static int check_directory(const char *path)
{
	struct stat st;
	_cleanup_close_
	int fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
	int r;

	if (fd < 0)
		return fd;
	r = sys_fstat(fd, &st);
	if (r < 0)
		return r;
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return -EPERM;
	if ((st.st_mode & 022) != 0)
		return -EPERM;
	return 0;
}

int store_make_directory(const char *path, unsigned mode)
{
	_cleanup_free_
	char *copy = strdup(path);
	int r;

	if (!copy)
		return -ENOMEM;
	for (char *p = copy + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		r = sys_mkdirat(AT_FDCWD, copy, 0755);
		*p = '/';
		/* A parent that can't be made may be there all the same: the last one decides. */
		if (r < 0 && r != -EEXIST && r != -EROFS && r != -EACCES)
			return r;
	}
	r = sys_mkdirat(AT_FDCWD, path, mode);
	if (r < 0 && r != -EEXIST)
		return r;
	return check_directory(path);
}

static char *join(const char *directory, const char *name)
{
	char *path;

	return asprintf(&path, "%s/%s", directory, name) < 0 ? NULL : path;
}

static int read_holder(int fd)
{
	char text[16] = "";
	uint64_t pid;

	if (pread(fd, text, sizeof(text) - 1, 0) <= 0)
		return 0;
	text[strcspn(text, "\n")] = '\0';
	return parse_u64(text, INT32_MAX, &pid) == 0 ? (int)pid : 0;
}

/* For people, and for the message to who comes second; the lock itself is what counts. */
void store_note_holder(const struct store *s)
{
	char pid[16];

	sys_ftruncate(s->lock_fd, 0);
	sys_pwrite(s->lock_fd, pid, (size_t)snprintf(pid, sizeof(pid), "%d\n", (int)getppid()), 0);
}

/* 1: the path names the file that is held; 0: it does not; -errno. */
static int names_it(const char *path, int fd)
{
	struct stat held, named;
	int r = sys_fstat(fd, &held);

	if (r < 0)
		return r;
	r = sys_fstatat(AT_FDCWD, path, &named, AT_SYMLINK_NOFOLLOW);
	return r == 0 && named.st_ino == held.st_ino && named.st_dev == held.st_dev;
}

bool store_lock_is_lost(const struct store *s, const char *runtime_dir)
{
	_cleanup_free_
	char *path = join(runtime_dir, LOCK_NAME);

	return path && names_it(path, s->lock_fd) == 0;
}

int store_lock(struct store *s, const char *runtime_dir, int *ret_holder)
{
	_cleanup_free_
	char *path = join(runtime_dir, LOCK_NAME);

	if (!path)
		return -ENOMEM;
	for (;;) {
		_cleanup_close_
		int fd = sys_openat(
			AT_FDCWD, path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0644);
		int r;

		if (fd < 0)
			return fd;
		r = sys_flock(fd, LOCK_EX | LOCK_NB);
		if (r == -EWOULDBLOCK) {
			*ret_holder = read_holder(fd);
			return -EBUSY;
		}
		if (r < 0)
			return r;
		r = names_it(path, fd);
		if (r < 0)
			return r;
		if (r == 0)
			continue;
		s->lock_fd = TAKE_FD(fd);
		store_note_holder(s);
		return 0;
	}
}

static int map(int fd, size_t size, void **ret_memory)
{
	return sys_mmap(size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0, ret_memory);
}

static int map_memory(size_t size, void **ret_memory)
{
	return sys_mmap(
		size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, ret_memory);
}

/* The area of an older program, in memory; what it was in is unmapped. */
static int move_to_memory(struct store *s)
{
	struct recovery old = s->area;
	size_t size = recovery_moved_size(&old);
	void *memory;
	int r = sys_mmap(size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, &memory);

	if (r < 0)
		return r;
	recovery_move(&s->area, memory, &old);
	s->unsaved = true;
	sys_munmap(old.head, old.size);
	return 0;
}

/* With the mapping in its final place: what comes after this sees no SIGBUS. */
static void protect(struct store *s)
{
	/* There is a place for it: those that are mapped are few, and known. */
	(void)mapping_add(&s->mapping, s->area.head, s->area.size);
}

int store_take(struct store *s, int fd)
{
	uint8_t boot_id[16];
	struct stat st;
	void *memory;
	int r = store_get_boot_id(boot_id);

	if (r < 0)
		return r;
	r = sys_fstat(fd, &st);
	if (r < 0)
		return r;
	if (!S_ISREG(st.st_mode) || st.st_size < RECOVERY_HEAD_SIZE)
		return -EBADMSG;
	r = map(fd, (size_t)st.st_size, &memory);
	if (r < 0)
		return r;
	s->area = (struct recovery){.head = memory, .size = (size_t)st.st_size};
	protect(s);
	r = recovery_open(&s->area, memory, (size_t)st.st_size, boot_id);
	if (r == RECOVERY_OLDER)
		r = move_to_memory(s);
	if (r == 0)
		s->head = *s->area.head;
	if (r == 0 && mapping_is_lost(&s->mapping))
		r = -EBADMSG;
	if (s->unsaved || r < 0)
		mapping_remove(&s->mapping);
	if (r < 0) {
		sys_munmap(s->area.head, s->area.size);
		s->area = (struct recovery){0};
		s->unsaved = false;
		return r;
	}
	s->file_fd = fd;
	s->nameless = st.st_nlink == 0;
	return 0;
}

/* A file of that name and size, with room on the disk, mapped. The fd or -errno. */
static int make_file(const char *path, size_t size, void **ret_memory)
{
	_cleanup_close_
	int fd = -1;
	int r = sys_unlinkat(AT_FDCWD, path, 0);

	if (r < 0 && r != -ENOENT)
		return r;
	fd = sys_openat(AT_FDCWD, path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fd;
	r = sys_fallocate_mapped(fd, 0, (off_t)size);
	if (r == 0)
		r = map(fd, size, ret_memory);
	if (r < 0) {
		sys_unlinkat(AT_FDCWD, path, 0);
		return r;
	}
	return TAKE_FD(fd);
}

/* The area is what is in that memory now, which maps fd (owned from now on). */
static void adopt(struct store *s, void *memory, int fd)
{
	sys_munmap(s->area.head, s->area.size);
	close_fd(s->file_fd);
	s->area.head = memory;
	s->file_fd = fd;
	s->unsaved = false;
	protect(s);
}

int store_save(struct store *s, const char *runtime_dir)
{
	_cleanup_free_
	char *path = join(runtime_dir, RECOVERY_NAME);
	_cleanup_free_
	char *new_path = join(runtime_dir, NEW_NAME);
	void *memory;
	int fd, r;

	if (!path || !new_path)
		return -ENOMEM;
	fd = make_file(new_path, s->area.size, &memory);
	if (fd < 0)
		return fd;
	/* All of it is there before the name is. */
	memcpy(memory, s->area.head, s->area.size);
	r = sys_renameat(AT_FDCWD, new_path, path);
	if (r < 0) {
		sys_munmap(memory, s->area.size);
		sys_unlinkat(AT_FDCWD, new_path, 0);
		close_fd(fd);
		return r;
	}
	adopt(s, memory, fd);
	s->nameless = false;
	return 0;
}

int store_save_nameless(struct store *s)
{
	_cleanup_close_
	int fd = sys_memfd_create("recovery", 0);
	void *memory;
	int r = fd < 0 ? fd : sys_fallocate(fd, (off_t)s->area.size);

	if (r == 0)
		r = map(fd, s->area.size, &memory);
	if (r < 0)
		return r;
	memcpy(memory, s->area.head, s->area.size);
	adopt(s, memory, TAKE_FD(fd));
	s->nameless = true;
	return 0;
}

int store_renew(struct store *s, uint32_t capacity)
{
	struct recovery new;
	void *memory;
	int r = map_memory(recovery_size(capacity), &memory);

	if (r < 0)
		return r;
	recovery_format(&new, memory, capacity, s->head.boot_id);
	recovery_take_head(&new, &s->head);
	mapping_remove(&s->mapping);
	s->mapping = (struct mapping){0};
	sys_munmap(s->area.head, s->area.size);
	s->area = new;
	s->head = *new.head;
	s->unsaved = true;
	return 0;
}

bool store_is_damaged(const struct store *s)
{
	struct stat st;

	if (s->unsaved || mapping_is_lost(&s->mapping))
		return true;
	return sys_fstat(s->file_fd, &st) == 0 &&
	       (st.st_size < (off_t)s->area.size || (st.st_nlink == 0 && !s->nameless));
}

int store_open_left(const char *runtime_dir, struct store *ret_store)
{
	_cleanup_free_
	char *path = join(runtime_dir, RECOVERY_NAME);
	_cleanup_close_
	int fd = -1;
	struct stat st;
	int r;

	*ret_store = (struct store)STORE_INIT;
	if (!path)
		return -ENOMEM;
	fd = sys_openat(AT_FDCWD, path, O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd < 0)
		return fd;
	r = sys_fstat(fd, &st);
	if (r < 0)
		return r;
	if (st.st_uid != geteuid())
		return -EPERM;
	r = store_take(ret_store, fd);
	if (r == 0)
		TAKE_FD(fd);
	return r;
}

int store_create(struct store *s, const char *runtime_dir, uint32_t capacity)
{
	_cleanup_free_
	char *path = join(runtime_dir, RECOVERY_NAME);
	uint8_t boot_id[16];
	void *memory;
	int r = store_get_boot_id(boot_id);

	if (r < 0)
		return r;
	if (!path)
		return -ENOMEM;
	r = make_file(path, recovery_size(capacity), &memory);
	if (r < 0)
		return r;
	recovery_format(&s->area, memory, capacity, boot_id);
	s->head = *s->area.head;
	s->file_fd = r;
	s->unsaved = false;
	protect(s);
	return 0;
}

int store_grow(struct store *s, uint32_t capacity)
{
	size_t size = recovery_size_with(&s->area, capacity);
	void *memory;
	int r;

	if (capacity > RECOVERY_MAX_SLOTS)
		return -ENOSPC;
	/* One that was lost is in parts, which can't be moved. */
	if (mapping_is_lost(&s->mapping))
		return -EIO;
	r = s->unsaved ? 0 : sys_fallocate_mapped(s->file_fd, (off_t)s->area.size, (off_t)size);
	if (r < 0)
		return r;
	mapping_remove(&s->mapping);
	r = sys_mremap(s->area.head, s->area.size, size, &memory);
	if (r == 0) {
		recovery_grow(&s->area, memory, capacity);
		s->head.capacity = capacity;
	}
	if (!s->unsaved)
		protect(s);
	return r;
}

static void remove_file(const char *directory, const char *name)
{
	_cleanup_free_
	char *path = join(directory, name);

	if (path)
		sys_unlinkat(AT_FDCWD, path, 0);
}

void store_fini(struct store *s, const char *runtime_dir)
{
	mapping_remove(&s->mapping);
	if (s->area.head)
		sys_munmap(s->area.head, s->area.size);
	s->area = (struct recovery){0};
	s->unsaved = false;
	if (runtime_dir) {
		remove_file(runtime_dir, NEW_NAME);
		remove_file(runtime_dir, RECOVERY_NAME);
		remove_file(runtime_dir, LOCK_NAME);
	}
	s->file_fd = close_fd(s->file_fd);
	s->lock_fd = close_fd(s->lock_fd);
}
