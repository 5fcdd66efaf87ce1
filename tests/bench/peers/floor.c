/*
 * What starting so many processes costs at least: vfork and exec in a loop, and nothing else.
 *
 *   bench_floor NUMBER PROGRAM [FORKERS]
 *
 * Starts PROGRAM with numbers from 0, by so many processes at once (1); at the end of its input it
 * ends them all.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static pid_t spawn(char *path, unsigned long i)
{
	char number[24], *args[] = {path, number, NULL};
	pid_t pid;

	snprintf(number, sizeof(number), "%lu", i);
	pid = vfork();
	if (pid == 0) {
		execve(path, args, environ);
		_exit(127);
	}
	return pid;
}

/* Every so many-th, from the first one on. */
static void start(
	pid_t *pids, unsigned long n, unsigned long first, unsigned long every, char *path)
{
	for (unsigned long i = first; i < n; i += every)
		pids[i] = spawn(path, i);
}

/* In a process of its own, which lives on, since they are its children. */
static pid_t start_beside(
	pid_t *pids, unsigned long n, unsigned long first, unsigned long every, char *path)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	start(pids, n, first, every, path);
	while (wait(NULL) > 0)
		;
	_exit(0);
}

int main(int argc, char **argv)
{
	unsigned long n = argc >= 3 ? strtoul(argv[1], NULL, 10) : 0;
	unsigned long n_forkers = argc == 4 ? strtoul(argv[3], NULL, 10) : 1;
	pid_t *pids = MAP_FAILED;
	char c;

	if (n > 0 && n_forkers > 0)
		pids = mmap(NULL, n * sizeof(*pids), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (pids == MAP_FAILED) {
		fprintf(stderr, "usage: bench_floor NUMBER PROGRAM [FORKERS]\n");
		return 2;
	}
	for (unsigned long k = 1; k < n_forkers; k++) {
		if (start_beside(pids, n, k, n_forkers, argv[2]) < 0)
			perror("bench_floor: fork");
	}
	start(pids, n, 0, n_forkers, argv[2]);
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
	for (unsigned long i = 0; i < n; i++) {
		if (pids[i] > 0)
			kill(pids[i], SIGKILL);
	}
	while (wait(NULL) > 0)
		;
	return 0;
}
