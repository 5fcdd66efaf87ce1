/*
 * The program gets nothing but the file, a pipe and /dev/null: no shell, no name that it would
 * have to trust. Which one it is, the suffix says. Where no more of it is wanted it is killed, as
 * it could only die of the closed pipe anyway.
 */
#include "ctl/logs/file/input.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"

#define SKIP_SIZE 65536

extern char **environ;

static const struct {
	const char *suffix, *program, *option;
} unpackers[] = {
	{".gz", "gzip", "-dc"},
	{".zst", "zstd", "-dc"},
	{".xz", "xz", "-dc"},
	{".bz2", "bzip2", "-dc"},
	{".lz4", "lz4", "-dc"},
};

const char *input_strerror(int error)
{
	switch (error) {
	case INPUT_NO_PROGRAM:
		return "the program that unpacks such files is not installed";
	case INPUT_UNKNOWN:
		return "it is not known how to unpack such files";
	case INPUT_BROKEN:
		return "it can't be unpacked: damaged, or not what its name says";
	case INPUT_IRREGULAR:
		return "not a regular file";
	default:
		return strerror(-error);
	}
}

struct input input_of(int fd, off_t offset)
{
	return (struct input){.fd = fd, .borrowed = true, .offset = offset};
}

/* What a child must not have from us: SIGPIPE ignored. */
static int set_signals(posix_spawnattr_t *attributes)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	posix_spawnattr_setsigdefault(attributes, &set);
	return posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGDEF);
}

static int spawn(const char *program, const char *option, int file, int pipe, pid_t *ret_pid)
{
	char *const arguments[] = {(char *)program, (char *)option, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int r = posix_spawn_file_actions_init(&actions);

	if (r != 0)
		return -r;
	r = posix_spawnattr_init(&attributes);
	if (r != 0) {
		posix_spawn_file_actions_destroy(&actions);
		return -r;
	}
	r = set_signals(&attributes);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(&actions, file, STDIN_FILENO);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(&actions, pipe, STDOUT_FILENO);
	if (r == 0)
		r = posix_spawn_file_actions_addopen(
			&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	if (r == 0)
		r = posix_spawnp(ret_pid, program, &actions, &attributes, arguments, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return r == ENOENT ? INPUT_NO_PROGRAM : -r;
}

static int unpack(struct input *in, const char *suffix)
{
	int fds[2], r = INPUT_UNKNOWN;

	for (size_t i = 0; i < ELEMENTSOF(unpackers); i++) {
		if (strcmp(suffix, unpackers[i].suffix) != 0)
			continue;
		if (pipe2(fds, O_CLOEXEC) < 0)
			return -errno;
		r = spawn(unpackers[i].program, unpackers[i].option, in->fd, fds[1], &in->pid);
		close_fd(fds[1]);
		close_fd(in->fd);
		in->fd = fds[0];
		in->packed = true;
	}
	return r;
}

/* Of a pipe, all that stands before the offset has to be read. */
static int skip(struct input *in, off_t offset)
{
	_cleanup_free_
	char *scrap = malloc(SKIP_SIZE);

	if (!scrap)
		return -ENOMEM;
	while (in->offset < offset) {
		ssize_t n = input_read(
			in, scrap, (size_t)MIN_OF(offset - in->offset, (off_t)SKIP_SIZE));

		if (n <= 0)
			return (int)n;
	}
	return 0;
}

static int open_file(const char *path, const struct rotated_file *file, struct input *in)
{
	struct stat st;

	in->fd = rotated_open(path, file);
	if (in->fd < 0)
		return in->fd;
	if (fstat(in->fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return INPUT_IRREGULAR;
	return file->suffix[0] != '\0' ? unpack(in, file->suffix) : 0;
}

int input_open(
	const char *path, const struct rotated_file *file, off_t offset, struct input *ret_input)
{
	_cleanup_(input_fini) struct input in = {.fd = -1};
	struct rotated_file now;
	int r = open_file(path, file, &in);

	if (r == -ENOENT && rotated_find(path, file->stamp, &now) == 0)
		r = open_file(path, &now, &in);
	if (r == 0 && in.packed)
		r = skip(&in, offset);
	else if (r == 0)
		in.offset = offset;
	if (r < 0)
		return r;
	*ret_input = in;
	in = (struct input){.fd = -1};
	return 0;
}

/* The end of the pipe: how has the program done? */
static int end(struct input *in)
{
	int status = 0;
	pid_t pid;

	do
		pid = waitpid(in->pid, &status, 0);
	while (pid < 0 && errno == EINTR);
	in->pid = 0;
	return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : INPUT_BROKEN;
}

ssize_t input_read(struct input *in, char *data, size_t n)
{
	ssize_t got;

	if (in->packed && in->pid == 0)
		return 0;
	do
		got = in->packed ? read(in->fd, data, n) : pread(in->fd, data, n, in->offset);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	in->offset += got;
	return got == 0 && in->packed ? end(in) : got;
}

void input_fini(struct input *in)
{
	if (!in->borrowed)
		close_fd(in->fd);
	if (in->pid > 0) {
		kill(in->pid, SIGKILL);
		end(in);
	}
	*in = (struct input){.fd = -1};
}
