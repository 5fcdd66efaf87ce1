/* Which supervisord is meant. */
#include "ctl/client/socket.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wire/control.h"

#define ROOT_SOCKET "/run/supervisord/" CONTROL_SOCKET_NAME

char *socket_find(const char *given)
{
	const char *environment = getenv("SUPCTL_SOCKET");
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	char *path = NULL;

	if (given)
		return strdup(given);
	if (environment && *environment != '\0')
		return strdup(environment);
	if (geteuid() != 0 && runtime && *runtime == '/') {
		if (asprintf(&path, "%s/supervisord/" CONTROL_SOCKET_NAME, runtime) < 0)
			return NULL;
		if (access(path, F_OK) == 0)
			return path;
		free(path);
	}
	return strdup(ROOT_SOCKET);
}
