/* How supctl ends. */
#pragma once

/* Exit statuses: a contract with scripts. */
enum ctl_exit {
	CTL_DONE = 0,
	CTL_FAILED = 1,
	CTL_USAGE = 2,
	CTL_NOT_UP = 3, /* status: a named service is not where it should be */
	CTL_NOTHING_THERE = 4, /* no such service, or no supervisord */
	CTL_NOT_PERMITTED = 5,
	CTL_INTERRUPTED = 130 /* 128 + SIGINT, as shells say it */
};
