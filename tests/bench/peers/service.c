/*
 * The service that every supervisor gets to run: it tells that it has come to its first
 * instruction, and waits. For each SIGUSR1 it writes a line of output.
 *
 *   bench_service [NUMBER]
 *
 * BENCH_SLOTS names the file (slots.h), and BENCH_NOTIFY, where there is one, the descriptor to
 * write a line to once that is done. The number may have a name before it ("s-5"), which is
 * what s6 gives; without an argument it is that at the end of the working directory's name. So a
 * link to this program will do as a run script.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "slots.h"

static unsigned long find_number(int argc, char **argv)
{
	static char directory[4096];
	const char *text = argc > 1 ? argv[1] : getcwd(directory, sizeof(directory));
	const char *dash = text ? strrchr(text, '-') : NULL;

	return text ? strtoul(dash ? dash + 1 : text, NULL, 10) : 0;
}

static void write_line(int signo)
{
	static const char line[] = "a line of output, as long as lines of logs usually are: 80 "
				   "bytes, or not many more\n";

	(void)signo;
	if (write(STDOUT_FILENO, line, sizeof(line) - 1) < 0)
		_exit(1);
}

int main(int argc, char **argv)
{
	struct timespec now;
	const char *path = getenv("BENCH_SLOTS");
	unsigned long number;
	struct slots *slots;
	struct slot *slot;
	struct stat st;
	int fd;

	clock_gettime(CLOCK_MONOTONIC, &now);
	number = find_number(argc, argv);
	fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	if (fd < 0 || fstat(fd, &st) < 0 ||
		sizeof(struct slots) + (number + 1) * sizeof(struct slot) > (size_t)st.st_size)
		return 1;
	slots = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (slots == MAP_FAILED)
		return 1;
	signal(SIGUSR1, write_line); /* whoever finds us in the slot may send it */
	slot = &slots->slot[number];
	atomic_store(&slot->pid, getpid());
	atomic_store(&slot->since_nsec, (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec);
	atomic_fetch_add(&slot->n_starts, 1);
	atomic_fetch_add(&slots->n_starts, 1);
	munmap(slots, (size_t)st.st_size);
	close(fd);
	path = getenv("BENCH_NOTIFY");
	if (path && write(atoi(path), "\n", 1) != 1)
		return 1;
	for (;;)
		pause();
}
