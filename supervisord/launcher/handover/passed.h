/* The one socket that whoever started us may have opened for us (LISTEN_FDS). */
#pragma once

/*
 * Moves it out of the way of the descriptors that the launcher reserves, at or above
 * SPAWN_PRIVATE_FD and close-on-exec: to be called before those are taken. The descriptor;
 * -ENOENT where nothing was passed in for us; -E2BIG where more than one was, -errno. What
 * is not taken is left for the caller to close.
 */
int passed_take(void);

/* Says why it was not taken; nothing for -ENOENT. */
void passed_explain(int error);
