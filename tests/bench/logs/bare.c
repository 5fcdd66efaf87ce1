/*
 * What a log pump can't do without: read from a pipe, write to a file. The pipe is made as large
 * as it may be, as a pump would; nothing is looked at, rotated or kept safe.
 *
 *   bare FILE < PIPE
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define SIZE (256 * 1024)

static char buffer[SIZE];

int main(int argc, char **argv)
{
	int fd = argc == 2 ? open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640) : -1;
	ssize_t n;

	if (fd < 0) {
		perror(argc == 2 ? argv[1] : "usage: bare FILE");
		return 2;
	}
	(void)fcntl(STDIN_FILENO, F_SETPIPE_SZ, SIZE);
	while ((n = read(STDIN_FILENO, buffer, sizeof(buffer))) > 0) {
		for (ssize_t done = 0, r; done < n; done += r) {
			r = write(fd, buffer + done, (size_t)(n - done));
			if (r <= 0) {
				perror(argv[1]);
				return 1;
			}
		}
	}
	return n < 0;
}
