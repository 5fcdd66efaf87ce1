/*
 * What belongs to the process rather than to the command line: descriptors and signals.
 * Tests call ctl_run() without either.
 *
 * The verbs, and the libraries that they need, are in a module of their own, which is loaded once
 * it is known that they are asked for: it lies beside this program or where it was installed.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/macro.h"
#include "ctl/exit.h"
#include "ctl/module.h"
#include "ctl/quick.h"

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

/* Directories are relative to ours, but for an absolute one; NULL: it is not there. */
static void *load_from(const char *directory)
{
	char path[4096] = "";
	ssize_t n = 0;
	const char *slash;

	if (*directory != '/') {
		n = readlink("/proc/self/exe", path, sizeof(path) - 1);
		path[n < 0 ? 0 : n] = '\0';
		slash = strrchr(path, '/');
		if (!slash)
			return NULL;
		n = slash + 1 - path;
	}
	if (snprintf(path + n, sizeof(path) - (size_t)n, "%s/" MODULE_NAME, directory) >=
		(int)(sizeof(path) - (size_t)n))
		return NULL;
	/* What is there and can't be loaded is told of; what is not may be elsewhere. */
	return access(path, F_OK) == 0 ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
}

static int run_verbs(int argc, char **argv)
{
	static const char *const directories[] = {".", MODULE_NEAR, MODULE_DIRECTORY};
	void *module = NULL;
	module_run_fn *run;
	const char *why;

	for (size_t i = 0; !module && i < ELEMENTSOF(directories); i++) {
		if (*directories[i] != '\0')
			module = load_from(directories[i]);
	}
	/* One of another version has no such name. */
	run = module ? (module_run_fn *)dlsym(module, MODULE_RUN_NAME) : NULL;
	if (run)
		return run(argc, argv);
	why = dlerror();
	fprintf(stderr, "supctl: cannot load its verbs: %s\n",
		why ? why : "there is no " MODULE_DIRECTORY "/" MODULE_NAME);
	return CTL_FAILED;
}

int main(int argc, char **argv)
{
	int status;

	if (keep_standard_fds() < 0)
		return CTL_FAILED;
	set_signals();
	status = quick_status(argc, argv);
	return status < 0 ? run_verbs(argc, argv) : status;
}
