/*
 * What belongs to the process rather than to the command line: descriptors and signals.
 * Tests call ctl_run() without either.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "ctl/ctl.h"
#include "ctl/status/quick.h"

/*
 * A standard descriptor that was closed must not become the socket. The replacement
 * can't be written, so that output which goes nowhere is still an error.
 */
static int keep_standard_fds(void)
{
	for (int fd = 0; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		if (open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
			return -1;
	}
	return 0;
}

static void on_interrupt(int signo)
{
	(void)signo;
	_exit(CTL_INTERRUPTED);
}

/* Whoever started us with SIGINT ignored (nohup, a background job) meant it. */
static void set_signals(void)
{
	struct sigaction action = {.sa_handler = on_interrupt}, old;

	sigemptyset(&action.sa_mask);
	if (sigaction(SIGINT, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
		sigaction(SIGINT, &action, NULL);
	action.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &action, NULL);
	/* How a child has ended is to be learned. */
	action.sa_handler = SIG_DFL;
	sigaction(SIGCHLD, &action, NULL);
}

int main(int argc, char **argv)
{
	int status;

	if (keep_standard_fds() < 0)
		return CTL_FAILED;
	set_signals();
	status = quick_status(argc, argv);
	return status < 0 ? ctl_run(argc, argv, stdout, stderr) : status;
}
