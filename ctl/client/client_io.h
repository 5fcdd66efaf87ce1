/*
 * The client's system calls: connect, send and receive without blocking past a deadline.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>

#include "base/usec.h"
#include "ctl/client/client.h"

/* A connected, non-blocking descriptor, owned by the caller; -errno. */
int client_connect(const char *path);

/* Sends everything: 0, -ETIMEDOUT, or what broke. */
int client_send(int fd, const char *data, size_t n, usec_t deadline);

/*
 * The next whole message as a JSON object, owned by the caller: 0; -ECONNRESET at the end of
 * the connection; -ETIMEDOUT; -EBADMSG; -ENOBUFS; -ECANCELED where nobody reads watch_fd (-1 for
 * none) any more. Ticks meanwhile.
 */
int client_receive(struct client *c, usec_t deadline, int watch_fd, json_t **ret_message);

/* Waits until the other end closes, so long at most. */
void client_wait_end(struct client *c, usec_t timeout);

void client_pause(usec_t duration);
