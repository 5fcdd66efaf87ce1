/*
 * What starting so many processes costs at least: vfork and exec in a loop, and nothing else.
 *
 *   bench_floor NUMBER PROGRAM
 *
 * Starts PROGRAM with numbers from 0; at the end of its input it ends them all.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

int main(int argc, char **argv)
{
	unsigned long n = argc == 3 ? strtoul(argv[1], NULL, 10) : 0;
	pid_t *pids = n > 0 ? calloc(n, sizeof(*pids)) : NULL;
	char number[24], *args[] = {argc == 3 ? argv[2] : NULL, number, NULL};
	char c;

	if (!pids) {
		fprintf(stderr, "usage: bench_floor NUMBER PROGRAM\n");
		return 2;
	}
	for (unsigned long i = 0; i < n; i++) {
		snprintf(number, sizeof(number), "%lu", i);
		pids[i] = vfork();
		if (pids[i] == 0) {
			execve(args[0], args, environ);
			_exit(127);
		}
	}
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
	for (unsigned long i = 0; i < n; i++) {
		if (pids[i] > 0)
			kill(pids[i], SIGKILL);
	}
	while (wait(NULL) > 0)
		;
	free(pids);
	return 0;
}
