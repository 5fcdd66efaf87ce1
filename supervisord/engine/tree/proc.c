/*
 * /proc/PID/stat holds the name in brackets, which may hold anything: fields are counted
 * from the last bracket. An environment is read up to a bound that lies far above what is usual.
 *
 * A directory is no snapshot: a process that is gone when it is looked at may have begun another
 * one that is not in what was read. So it is read again until nobody was missed.
 */
#include "engine/tree/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/parse.h"
#include "base/sys.h"

#define MAX_ENVIRONMENT (256 * 1024)
#define MAX_PASSES	16
#define MAX_READS	4 /* of an environment, if it is ever another program's */
#define STAT_CODE_END	27
#define STAT_ENV_BEGIN	50
#define PF_EXITING	0x4 /* of the kernel's flags of a task */

bool proc_is_ours(void)
{
	char text[16];
	ssize_t n = readlink("/proc/self", text, sizeof(text) - 1);
	uint64_t pid;

	if (n < 0)
		return false;
	text[n] = '\0';
	return parse_u64(text, INT32_MAX, &pid) == 0 && (pid_t)pid == getpid();
}

static int open_proc(pid_t pid, const char *name)
{
	char path[48];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return sys_openat(AT_FDCWD, path, O_RDONLY, 0);
}

/* Reads at most n - 1 bytes and a NUL; the length, or -errno. */
static ssize_t read_proc(pid_t pid, const char *name, char *ret_text, size_t n)
{
	_cleanup_close_
	int fd = open_proc(pid, name);
	ssize_t r;

	if (fd < 0)
		return fd == -ENOENT ? -ESRCH : fd;
	r = sys_read(fd, ret_text, n - 1);
	if (r >= 0)
		ret_text[r] = '\0';
	return r;
}

int proc_stat_get(pid_t pid, struct proc_stat *ret_stat)
{
	char text[1024];
	const char *end;
	struct proc_stat s = {.pid = pid};
	unsigned long long start;
	unsigned flags;
	int parent, session;
	ssize_t r = read_proc(pid, "stat", text, sizeof(text));

	if (r < 0)
		return (int)r;
	end = strrchr(text, ')');
	/* state ppid pgrp session tty tpgid flags, 4 faults, 4 times, prio nice threads 0 start */
	if (!end || sscanf(end + 1,
			    " %c %d %*d %d %*d %*d %u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d "
			    "%*d %llu",
			    &s.state, &parent, &session, &flags, &start) != 5)
		return -ESRCH;
	s.parent = parent;
	s.session = session;
	s.start_ticks = start;
	s.exiting = (flags & PF_EXITING) != 0;
	*ret_stat = s;
	return 0;
}

bool proc_has_command(pid_t pid)
{
	char text[2];

	return read_proc(pid, "cmdline", text, sizeof(text)) > 0;
}

void proc_command(pid_t pid, char *ret_text, size_t n)
{
	ssize_t r = read_proc(pid, "cmdline", ret_text, n);

	if (r > 0) {
		for (ssize_t i = 0; i + 1 < r; i++) {
			if (ret_text[i] == '\0')
				ret_text[i] = ' ';
		}
		return;
	}
	r = read_proc(pid, "comm", ret_text, n);
	if (r < 0)
		r = 0;
	ret_text[r] = '\0';
	ret_text[strcspn(ret_text, "\n")] = '\0';
}

static bool parse_hex(const char *text, size_t n, uint8_t ret_bytes[static PROC_INVOCATION_SIZE])
{
	if (n != 2 * PROC_INVOCATION_SIZE)
		return false;
	for (size_t i = 0; i < n; i++) {
		static const char digits[] = "0123456789abcdef";
		const char *d = text[i] ? strchr(digits, text[i]) : NULL;

		if (!d)
			return false;
		ret_bytes[i / 2] = (uint8_t)(ret_bytes[i / 2] << 4 | (d - digits));
	}
	return true;
}

/* The environment, to be freed; nothing where it is empty, and also in the middle of exec. */
static int read_once(pid_t pid, char **ret_text, size_t *ret_n)
{
	_cleanup_close_
	int fd = open_proc(pid, "environ");
	_cleanup_free_
	char *text = NULL;
	size_t n = 0;

	if (fd < 0)
		return fd == -ENOENT ? -ESRCH : fd;
	text = malloc(MAX_ENVIRONMENT);
	if (!text)
		return -ENOMEM;
	while (n < MAX_ENVIRONMENT) {
		ssize_t r = sys_read(fd, text + n, MAX_ENVIRONMENT - n);

		if (r < 0)
			return (int)r;
		if (r == 0)
			break;
		n += (size_t)r;
	}
	*ret_text = TAKE_PTR(text);
	*ret_n = n;
	return 0;
}

/* The blank before a field of /proc/PID/stat, counted from 1 as proc(5) does. */
static const char *find_field(const char *text, int field)
{
	const char *p = strrchr(text, ')');

	for (int i = 2; p && i < field; i++)
		p = strchr(p + 1, ' ');
	return p;
}

/*
 * How long it is; -EAGAIN: in the middle of exec there is none yet. The end of the code is known
 * only when the environment is.
 */
static int environment_size(pid_t pid, unsigned long *ret_size)
{
	char text[1024];
	const char *code, *environment;
	unsigned long code_end, begin, end;
	ssize_t r = read_proc(pid, "stat", text, sizeof(text));

	if (r < 0)
		return (int)r;
	code = find_field(text, STAT_CODE_END);
	environment = find_field(text, STAT_ENV_BEGIN);
	if (!code || !environment || sscanf(code, " %lu", &code_end) != 1 ||
		sscanf(environment, " %lu %lu", &begin, &end) != 2)
		return -ESRCH;
	*ret_size = end - begin;
	return code_end > 0 ? 0 : -EAGAIN;
}

/*
 * Who has no environment may have an empty one, or be about to become another program: that is
 * asked, and when the exec is over by then, it is read once more. -EAGAIN: it can't be read now.
 */
static int read_environment(pid_t pid, char **ret_text, size_t *ret_n)
{
	for (int i = 0; i < MAX_READS; i++) {
		unsigned long size = 0;
		int r = read_once(pid, ret_text, ret_n);

		if (r < 0 || *ret_n > 0)
			return r;
		r = environment_size(pid, &size);
		if (r < 0 || size == 0)
			return r;
		free(*ret_text);
		*ret_text = NULL;
	}
	return -EAGAIN;
}

/* The value of the first variable of that name ("K="), *ret_n bytes; NULL: there is none. */
static const char *find_variable(const char *text, size_t n, const char *name, size_t *ret_n)
{
	size_t name_size = strlen(name);

	for (const char *p = text; p < text + n;) {
		const char *end = memchr(p, '\0', (size_t)(text + n - p));
		size_t k = end ? (size_t)(end - p) : (size_t)(text + n - p);

		if (k >= name_size && memcmp(p, name, name_size) == 0) {
			*ret_n = k - name_size;
			return p + name_size;
		}
		p += k + 1;
	}
	return NULL;
}

int proc_invocation(pid_t pid, uint8_t ret_invocation[static PROC_INVOCATION_SIZE])
{
	struct proc_identity i;
	int r = proc_identity_get(pid, &i);

	if (r > 0)
		memcpy(ret_invocation, i.invocation, sizeof(i.invocation));
	return r;
}

int proc_identity_get(pid_t pid, struct proc_identity *ret_identity)
{
	_cleanup_free_
	char *text = NULL;
	struct proc_identity i = {0};
	const char *value;
	size_t n = 0, n_value;
	int r = read_environment(pid, &text, &n);

	if (r < 0)
		return r;
	value = find_variable(text, n, "SUPERVISOR_INVOCATION=", &n_value);
	if (!value || !parse_hex(value, n_value, i.invocation))
		return 0;
	value = find_variable(text, n, "SUPERVISOR_HOOK=", &n_value);
	if (value)
		snprintf(i.hook, sizeof(i.hook), "%.*s", (int)MIN_OF(n_value, sizeof(i.hook)),
			value);
	*ret_identity = i;
	return 1;
}

void proc_command_name(pid_t pid, char *ret_name, size_t n)
{
	ssize_t r = read_proc(pid, "cmdline", ret_name, n);

	/* Its NUL, or ours where it is cut. */
	if (r <= 0 || ret_name[0] == '\0' || strlen(ret_name) + 1 == n)
		snprintf(ret_name, n, "supervisord");
}

uint64_t proc_command_hash(pid_t pid)
{
	_cleanup_close_
	int fd = open_proc(pid, "cmdline");
	uint64_t hash = UINT64_C(14695981039346656037);
	unsigned char data[4096];
	size_t n = 0;
	ssize_t r;

	if (fd < 0)
		return 0;
	while (n < MAX_ENVIRONMENT && (r = sys_read(fd, data, sizeof(data))) > 0) {
		for (ssize_t i = 0; i < r; i++)
			hash = (hash ^ data[i]) * UINT64_C(1099511628211);
		n += (size_t)r;
	}
	return n > 0 ? hash : 0;
}

static void close_directory(DIR **d)
{
	if (*d)
		closedir(*d);
}

static int compare_pids(const void *a, const void *b)
{
	const struct proc_stat *x = a, *y = b;

	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

struct list_of_processes {
	struct proc_stat *stats;
	size_t n, n_sorted, size;
};

static bool is_listed(const struct list_of_processes *l, pid_t pid)
{
	struct proc_stat key = {.pid = pid};

	return l->n_sorted > 0 &&
	       bsearch(&key, l->stats, l->n_sorted, sizeof(key), compare_pids) != NULL;
}

/* 0; 1: it was gone, or dead, when it was looked at; -ENOMEM. */
static int add_process(struct list_of_processes *l, pid_t pid)
{
	if (l->n == l->size) {
		size_t size = l->size ? 2 * l->size : 256;
		struct proc_stat *more = reallocarray(l->stats, size, sizeof(*more));

		if (!more)
			return -ENOMEM;
		l->stats = more;
		l->size = size;
	}
	if (proc_stat_get(pid, &l->stats[l->n]) < 0)
		return 1;
	return proc_is_dead(&l->stats[l->n++]);
}

/* Adds those that are not listed. 0; 1: some have gone meanwhile; -errno. */
static int add_processes(struct list_of_processes *l)
{
	__attribute__((cleanup(close_directory))) DIR *directory = opendir("/proc");
	const struct dirent *d;
	int gone = 0;

	if (!directory)
		return -errno;
	while ((d = readdir(directory))) {
		uint64_t pid;
		int r;

		if (parse_u64(d->d_name, INT32_MAX, &pid) < 0 || is_listed(l, (pid_t)pid))
			continue;
		r = add_process(l, (pid_t)pid);
		if (r < 0)
			return r;
		gone |= r;
	}
	if (l->n > 0)
		qsort(l->stats, l->n, sizeof(*l->stats), compare_pids);
	l->n_sorted = l->n;
	return gone;
}

int proc_list(struct proc_stat **ret_stats, size_t *ret_n)
{
	struct list_of_processes l = {0};
	int r = 1;

	/* Each pass only looks at those that are new, so the second one is quick. */
	for (int i = 0; i < MAX_PASSES && r > 0; i++)
		r = add_processes(&l);
	if (r < 0) {
		free(l.stats);
		return r;
	}
	*ret_stats = l.stats;
	*ret_n = l.n;
	return r;
}
