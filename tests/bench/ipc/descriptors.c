/*
 * What is read and written by descriptors: pipe, FIFO and sockets. A message of a stream is as
 * many bytes as the receiver asks for.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "mechanism.h"

/* By direction; a socket is both ends of both. */
static int senders[DIRECTION_MAX], receivers[DIRECTION_MAX];

static int open_pipes(void)
{
	for (int d = 0; d < DIRECTION_MAX; d++) {
		int fds[2];

		if (pipe2(fds, O_CLOEXEC) < 0)
			return -errno;
		receivers[d] = fds[0];
		senders[d] = fds[1];
	}
	return 0;
}

/* Nobody but us needs their names, so they are gone as soon as they are open. */
static int open_fifo(enum direction d)
{
	char path[] = "/tmp/bench_ipc.XXXXXX/fifo";
	char *slash = strrchr(path, '/');
	int r = 0;

	*slash = '\0';
	if (!mkdtemp(path))
		return -errno;
	*slash = '/';
	if (mkfifo(path, 0600) < 0)
		r = -errno;
	/* Reading and writing: neither end waits for the other one. */
	receivers[d] = r == 0 ? open(path, O_RDWR | O_CLOEXEC) : -1;
	senders[d] = r == 0 ? open(path, O_WRONLY | O_CLOEXEC) : -1;
	if (r == 0 && (receivers[d] < 0 || senders[d] < 0))
		r = -errno;
	unlink(path);
	*slash = '\0';
	rmdir(path);
	return r;
}

static int open_fifos(void)
{
	int r = open_fifo(TO_CHILD);

	return r == 0 ? open_fifo(TO_PARENT) : r;
}

static int take_pair(const int fds[2])
{
	senders[TO_CHILD] = receivers[TO_PARENT] = fds[0];
	senders[TO_PARENT] = receivers[TO_CHILD] = fds[1];
	return 0;
}

static int open_pair(int type)
{
	int fds[2];

	return socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds) < 0 ? -errno : take_pair(fds);
}

static int open_stream(void)
{
	return open_pair(SOCK_STREAM);
}

static int open_datagram(void)
{
	return open_pair(SOCK_DGRAM);
}

static int open_seqpacket(void)
{
	return open_pair(SOCK_SEQPACKET);
}

static int connect_loopback(int listener, int fds[2])
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(a);
	int on = 1;

	if (bind(listener, (struct sockaddr *)&a, size) < 0 || listen(listener, 1) < 0 ||
		getsockname(listener, (struct sockaddr *)&a, &size) < 0)
		return -errno;
	fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fds[0] < 0 || connect(fds[0], (struct sockaddr *)&a, size) < 0)
		return -errno;
	fds[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (fds[1] < 0)
		return -errno;
	for (int i = 0; i < 2; i++) {
		if (setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
			return -errno;
	}
	return 0;
}

static int open_tcp(void)
{
	_cleanup_close_
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fds[2] = {-1, -1}, r;

	if (listener < 0)
		return -errno;
	r = connect_loopback(listener, fds);
	return r < 0 ? r : take_pair(fds);
}

static void close_both(int *a, int *b)
{
	if (*a != *b)
		close_fd(*a);
	close_fd(*b);
	*a = *b = -1;
}

static void split(bool is_child)
{
	if (is_child)
		close_both(&senders[TO_CHILD], &receivers[TO_PARENT]);
	else
		close_both(&senders[TO_PARENT], &receivers[TO_CHILD]);
}

static void close_ends(void)
{
	close_both(&senders[TO_CHILD], &receivers[TO_PARENT]);
}

static int send_bytes(enum direction d, const char *data, size_t n)
{
	while (n > 0) {
		ssize_t r = write(senders[d], data, n);

		if (r < 0)
			return -errno;
		data += r;
		n -= (size_t)r;
	}
	return 0;
}

static int receive_bytes(enum direction d, char *data, size_t n)
{
	while (n > 0) {
		ssize_t r = read(receivers[d], data, n);

		if (r <= 0)
			return r < 0 ? -errno : -EPIPE;
		data += r;
		n -= (size_t)r;
	}
	return 0;
}

#define BYTES(name_, open_)                                                       \
	{                                                                         \
		.name = name_, .open = open_, .split = split, .send = send_bytes, \
		.receive = receive_bytes, .close = close_ends                     \
	}

const struct mechanism descriptor_mechanisms[N_DESCRIPTOR_MECHANISMS] = {
	BYTES("pipe", open_pipes),
	BYTES("FIFO", open_fifos),
	BYTES("Unix stream socket", open_stream),
	BYTES("Unix datagram socket", open_datagram),
	BYTES("Unix seqpacket socket", open_seqpacket),
	BYTES("TCP over loopback", open_tcp),
};
