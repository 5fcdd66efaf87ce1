/*
 * The writer of the benchmark: lines of 100 bytes to its standard output, in blocks or one at a
 * time, then a report of the processor time that it took. It waits for a byte on a FIFO first,
 * so that nothing that comes before the first line is measured.
 *
 *   spew FIFO REPORT N_LINES BLOCK_SIZE          N_LINES 0: without end
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define LINE_SIZE  100
#define MAX_BLOCK  (1024 * 1024)
#define MAX_BUFFER (MAX_BLOCK + LINE_SIZE)

static char buffer[MAX_BUFFER];

static int fail(const char *what)
{
	perror(what);
	return 1;
}

static int wait_for(const char *fifo)
{
	char c;
	int fd = open(fifo, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, &c, 1) != 1)
		return -1;
	return close(fd);
}

/* Blocks begin in the middle of a line, as they do where a program's own buffer is full. */
static int write_all(uint64_t n_bytes, size_t block, int endless)
{
	uint64_t done = 0;

	while (endless || done < n_bytes) {
		size_t n = endless || n_bytes - done > block ? block : (size_t)(n_bytes - done);
		ssize_t r = write(STDOUT_FILENO, buffer + done % LINE_SIZE, n);

		if (r <= 0)
			return -1;
		done += (uint64_t)r;
	}
	return 0;
}

static int report(const char *path)
{
	struct rusage u;
	FILE *f = fopen(path, "we");

	if (!f)
		return -1;
	getrusage(RUSAGE_SELF, &u);
	fprintf(f, "%.6f\n",
		(double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
			(double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6);
	return fclose(f);
}

int main(int argc, char **argv)
{
	uint64_t n_lines;
	size_t block;

	if (argc != 5) {
		fprintf(stderr, "usage: spew FIFO REPORT N_LINES BLOCK_SIZE\n");
		return 2;
	}
	n_lines = strtoull(argv[3], NULL, 10);
	block = strtoul(argv[4], NULL, 10);
	if (block == 0 || block > MAX_BLOCK) {
		fprintf(stderr, "spew: a block has 1 to %d bytes\n", MAX_BLOCK);
		return 2;
	}
	for (size_t i = 0; i < sizeof(buffer); i++)
		buffer[i] =
			i % LINE_SIZE == LINE_SIZE - 1 ? '\n' : (char)('a' + i % LINE_SIZE % 26);
	if (wait_for(argv[1]) < 0)
		return fail(argv[1]);
	if (write_all(n_lines * LINE_SIZE, block, n_lines == 0) < 0)
		return fail("write");
	return report(argv[2]) < 0 ? fail(argv[2]) : 0;
}
