/*
 * Counts the instructions that processes execute, and where, by having them take one step at a
 * time.
 *
 *   bench_step FILE PID...
 *
 * Exact where there are no hardware counters, as in most virtual machines, and of the very programs
 * as they run: valgrind knows neither clone3 nor pidfds, so under it a launcher can't start
 * anything in its usual way. A step costs some microseconds; what happens in the kernel counts as
 * one. An instruction that repeats (rep movsb) counts once, however often.
 *
 * FILE is made, and mapped by whoever wants to know: struct counts, then the table of who was where
 * how often. It goes on until SIGTERM; then the processes run freely again. Processes and threads
 * that they start are not counted.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROCESSES_MAX 4
#define PLACES	      (1u << 16) /* a power of two; far more than there are in both programs */

#if defined(__x86_64__)
#define PLACE(regs) ((regs)->rip)
#elif defined(__aarch64__)
#define PLACE(regs) ((regs)->pc)
#else
#error "where is the program counter here?"
#endif

struct place {
	uint64_t process; /* its number from 1; 0: none */
	uint64_t address;
	uint64_t n_steps;
};

struct counts {
	_Atomic uint64_t n_steps[PROCESSES_MAX];
	_Atomic uint64_t n_stepping; /* processes that have taken their first step */
	uint64_t n_lost; /* steps at places for which there was no room */
	struct place places[PLACES];
};

struct process {
	pid_t pid;
	uint64_t last_address;
	bool stepping;
};

static struct process processes[PROCESSES_MAX]; /* pid 0: gone */
static int n_processes;
static int n_left;
static volatile sig_atomic_t over;

static void end(int signo)
{
	(void)signo;
	over = 1;
	for (int i = 0; i < n_processes; i++)
		if (processes[i].pid > 0)
			ptrace(PTRACE_INTERRUPT, processes[i].pid, NULL, NULL);
}

static void forget(int i)
{
	processes[i].pid = 0;
	n_left--;
}

static struct counts *map_counts(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	void *map = MAP_FAILED;

	if (fd >= 0 && ftruncate(fd, sizeof(struct counts)) == 0)
		map = mmap(NULL, sizeof(struct counts), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd >= 0)
		close(fd);
	return map == MAP_FAILED ? NULL : map;
}

static void note_place(struct counts *c, uint64_t process, uint64_t address)
{
	uint64_t at = (address * 0x9e3779b97f4a7c15u >> 40) + process;

	for (unsigned tries = 0; tries < PLACES; tries++, at++) {
		struct place *p = &c->places[at % PLACES];

		if (p->process == 0)
			*p = (struct place){.process = process, .address = address};
		if (p->process == process && p->address == address) {
			p->n_steps++;
			return;
		}
	}
	c->n_lost++;
}

/* It has executed the instruction at the last address, and is about to execute the next one. */
static void count(struct counts *c, int i)
{
	struct process *p = &processes[i];
	struct user_regs_struct regs;
	struct iovec iov = {.iov_base = &regs, .iov_len = sizeof(regs)};

	if (ptrace(PTRACE_GETREGSET, p->pid, (void *)NT_PRSTATUS, &iov) < 0)
		return;
	if (!p->stepping) {
		p->stepping = true;
		atomic_fetch_add(&c->n_stepping, 1);
	} else if (PLACE(&regs) != p->last_address) {
		note_place(c, (uint64_t)i + 1, p->last_address);
		atomic_fetch_add(&c->n_steps[i], 1);
	}
	p->last_address = PLACE(&regs);
}

static int find(pid_t pid)
{
	int i = 0;

	while (i < n_processes && processes[i].pid != pid)
		i++;
	return i;
}

/* One stop of one process, and on. A stop by a signal of its own is passed on. */
static void handle(struct counts *c, int i, int status)
{
	bool event = status >> 16 != 0, step = !event && WSTOPSIG(status) == SIGTRAP;
	pid_t pid = processes[i].pid;

	if (step || event)
		count(c, i);
	/* Only behind a step: with one half-way, its SIGTRAP would be there for nobody, and deadly.
	 */
	if (over && step) {
		ptrace(PTRACE_DETACH, pid, NULL, NULL);
		forget(i);
		return;
	}
	ptrace(PTRACE_SINGLESTEP, pid, NULL, step || event ? NULL : (void *)(long)WSTOPSIG(status));
}

static int attach(pid_t pid)
{
	processes[n_processes++] = (struct process){.pid = pid};
	n_left++;
	if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0 &&
		ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) == 0)
		return 0;
	fprintf(stderr, "cannot trace %d: %s\n", (int)pid, strerror(errno));
	return -1;
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = end};
	struct counts *c;
	int status;
	pid_t pid;

	if (argc < 3 || argc > 2 + PROCESSES_MAX) {
		fprintf(stderr, "usage: bench_step FILE PID...\n");
		return 2;
	}
	c = map_counts(argv[1]);
	if (!c) {
		fprintf(stderr, "cannot map %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	sigaction(SIGTERM, &action, NULL);
	for (int i = 2; i < argc; i++)
		if (attach(atoi(argv[i])) < 0)
			return 1;
	while (n_left > 0) {
		pid = waitpid(-1, &status, __WALL);
		if (pid < 0 && errno == ECHILD)
			break;
		if (pid < 0)
			continue;
		int i = find(pid);

		if (i == n_processes)
			continue;
		if (WIFSTOPPED(status))
			handle(c, i, status);
		else
			forget(i);
	}
	return 0;
}
