/*
 * Message queues: System V and POSIX. Each keeps messages whole, and has a limit for them that
 * is the system's to set.
 */
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "mechanism.h"

#define MAX_MESSAGE 65536

static size_t read_limit(const char *path, size_t otherwise)
{
	FILE *f = fopen(path, "re");
	size_t n = otherwise;

	if (f && fscanf(f, "%zu", &n) != 1)
		n = otherwise;
	if (f)
		fclose(f);
	return MIN_OF(n, (size_t)MAX_MESSAGE);
}

/* --- System V --- */

static int ids[DIRECTION_MAX] = {-1, -1};

static size_t system_v_max(void)
{
	return read_limit("/proc/sys/kernel/msgmax", 8192);
}

static void system_v_close(void)
{
	for (int d = 0; d < DIRECTION_MAX; d++) {
		if (ids[d] >= 0)
			msgctl(ids[d], IPC_RMID, NULL);
		ids[d] = -1;
	}
}

static int system_v_open(void)
{
	for (int d = 0; d < DIRECTION_MAX; d++) {
		ids[d] = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
		if (ids[d] < 0) {
			int r = -errno;

			system_v_close();
			return r;
		}
	}
	return 0;
}

struct message {
	long type;
	char data[MAX_MESSAGE];
};

static int system_v_send(enum direction d, const char *data, size_t n)
{
	static struct message m = {.type = 1};

	memcpy(m.data, data, n);
	return msgsnd(ids[d], &m, n, 0) < 0 ? -errno : 0;
}

static int system_v_receive(enum direction d, char *data, size_t n)
{
	static struct message m;
	ssize_t r = msgrcv(ids[d], &m, sizeof(m.data), 0, 0);

	if (r < 0)
		return -errno;
	memcpy(data, m.data, MIN_OF((size_t)r, n));
	return 0;
}

/* --- POSIX --- */

static mqd_t queues[DIRECTION_MAX] = {(mqd_t)-1, (mqd_t)-1};
static size_t posix_size;

static size_t posix_max(void)
{
	return read_limit("/proc/sys/fs/mqueue/msgsize_max", 8192);
}

static void posix_close(void)
{
	for (int d = 0; d < DIRECTION_MAX; d++) {
		if (queues[d] != (mqd_t)-1)
			mq_close(queues[d]);
		queues[d] = (mqd_t)-1;
	}
}

static int posix_open(void)
{
	posix_size = posix_max();
	for (int d = 0; d < DIRECTION_MAX; d++) {
		struct mq_attr a = {.mq_maxmsg = 10, .mq_msgsize = (long)posix_size};
		char name[64];

		snprintf(name, sizeof(name), "/bench_ipc.%d.%d", (int)getpid(), d);
		queues[d] = mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600, &a);
		if (queues[d] == (mqd_t)-1) {
			int r = -errno;

			posix_close();
			return r;
		}
		mq_unlink(name);
	}
	return 0;
}

static int posix_send(enum direction d, const char *data, size_t n)
{
	return mq_send(queues[d], data, n, 0) < 0 ? -errno : 0;
}

static int posix_receive(enum direction d, char *data, size_t n)
{
	static char buffer[MAX_MESSAGE];
	ssize_t r = mq_receive(queues[d], buffer, posix_size, NULL);

	if (r < 0)
		return -errno;
	memcpy(data, buffer, MIN_OF((size_t)r, n));
	return 0;
}

static void keep_both(bool is_child _unused_)
{
}

const struct mechanism queue_mechanisms[N_QUEUE_MECHANISMS] = {
	{.name = "System V queue",
		.open = system_v_open,
		.split = keep_both,
		.send = system_v_send,
		.receive = system_v_receive,
		.close = system_v_close,
		.max = system_v_max},
	{.name = "POSIX queue",
		.open = posix_open,
		.split = keep_both,
		.send = posix_send,
		.receive = posix_receive,
		.close = posix_close,
		.max = posix_max},
};
