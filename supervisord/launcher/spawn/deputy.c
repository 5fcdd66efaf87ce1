/*
 * A child changes to the user and sends the signal. That user could stop it before it is
 * done, so it shares no memory with the launcher (and changing ids hides its own from that
 * user), keeps no descriptor but what it needs, and nobody waits for it: it is reaped as any
 * orphan is. A pidfd and no pid, since by then the process may have been reaped and its number
 * may be another's.
 */
#include "launcher/spawn/deputy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "base/macro.h"
#include "base/sys.h"

#define KEPT_FD		     (STDERR_FILENO + 1)
#define SIGNAL_PROCESS_GROUP (1u << 2) /* PIDFD_SIGNAL_PROCESS_GROUP, Linux 6.9 */

_noreturn_ static void act(uid_t uid, int pidfd, int signo, bool group)
{
	int r = sys_dup3(pidfd, KEPT_FD, O_CLOEXEC);

	pidfd = KEPT_FD;
	close_range(KEPT_FD + 1, ~0U, 0);
	if (r >= 0 && syscall(SYS_setresuid, uid, uid, uid) < 0)
		r = -errno;
	/* A kernel that knows no groups here: the main process is better than nobody. */
	if (r >= 0 && (!group || syscall(SYS_pidfd_send_signal, pidfd, signo, NULL,
					 SIGNAL_PROCESS_GROUP) < 0))
		r = sys_pidfd_send_signal(pidfd, signo);
	if (r < 0 && r != -ESRCH) {
		log_init("supervisord"); /* what it had is closed */
		log_warning("cannot signal a process of uid %u: %s", (unsigned)uid, strerror(-r));
	}
	_exit(EXIT_SUCCESS);
}

int deputy_kill(uid_t uid, int pidfd, int signo, bool group)
{
	static bool told;
	pid_t pid;

	if (!told)
		log_warning("no privilege to signal processes of other users: it is done as that "
			    "user");
	told = true;
	pid = fork();
	if (pid == 0)
		act(uid, pidfd, signo, group);
	return pid < 0 ? -errno : 0;
}
