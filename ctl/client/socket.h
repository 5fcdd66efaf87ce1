/* The control socket. */
#pragma once

/*
 * The path of the control socket: the given one if not NULL, else by the environment. Owned by
 * the caller; NULL for lack of memory.
 */
char *socket_find(const char *given);
